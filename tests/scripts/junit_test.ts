import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { tallyJunit } from "../../scripts/support/junit.ts";

describe("tallyJunit()", () => {
  it("counts the tests of Deno's report and not the suites around them", () => {
    assert.deepEqual(
      tallyJunit(`<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="9" failures="2" errors="0" time="0.459">
  <testsuite name="./tests/a_test.ts" tests="3" disabled="1" errors="0" failures="1">
    <testcase name="outer" classname="./tests/a_test.ts" time="0.377" line="3" col="1">
      <failure message="1 test step failed">1 test step failed.</failure>
    </testcase>
    <testcase name="skipped suite" classname="./a_test.ts" time="0.000" line="9" col="1">
      <skipped/>
    </testcase>
    <testcase name="alone" classname="./a_test.ts" time="0.001" line="10" col="1">
    </testcase>
  </testsuite>
  <testsuite name="ext:deno_node/testing.ts" tests="5" disabled="1" errors="0" failures="1">
    <testcase name="outer &gt; passes" time="0.000" line="1" col="23191">
    </testcase>
    <testcase name="outer &gt; fails" time="0.002" line="1" col="21231">
      <failure message="Uncaught AssertionError: 1 !== 2">AssertionError</failure>
    </testcase>
    <testcase name="outer &gt; inner" time="0.362" line="1" col="21231">
    </testcase>
    <testcase name="outer &gt; inner &gt; deep" time="0.000" line="1" col="21231">
    </testcase>
  </testsuite>
</testsuites>`),
      { passed: 3, failed: ["outer > fails (tests/a_test.ts)"], skipped: ["skipped suite"] },
    );
  });

  it("counts a suite that failed by itself", () => {
    assert.deepEqual(
      tallyJunit(`<testsuites>
<testcase name="suite"><failure message="Uncaught Error: before() failed">Error</failure></testcase>
<testcase name="suite &gt; test"></testcase></testsuites>`),
      { passed: 1, failed: ["suite"], skipped: [] },
    );
  });

  it("counts the tests of Bun's report", () => {
    assert.deepEqual(
      tallyJunit(`<testsuites name="bun test" tests="3" failures="1" skipped="1">
  <testsuite name="a_test.ts" file="a_test.ts" tests="3">
    <testcase name="passes" classname="outer" time="0.001726" assertions="0" />
    <testcase name="skipped" classname="outer" time="0" assertions="0">
      <skipped />
    </testcase>
    <testcase name="fails" classname="outer" time="0.006836" assertions="0">
      <failure type="AssertionError" message="1 !== 2&#10;">AssertionError</failure>
    </testcase>
  </testsuite>
</testsuites>`),
      { passed: 1, failed: ["fails"], skipped: ["skipped"] },
    );
  });

  it("counts the tests of Node's report, which leaves > in names and gives reasons", () => {
    assert.deepEqual(
      tallyJunit(`<testsuites>
  <testsuite name="outer" tests="3" failures="1" skipped="1">
    <testcase name="a -> b" time="0.000651" classname="outer" file="/a_test.ts"/>
    <testcase name="skipped" time="0.000105" classname="outer" file="/x/tests/y/a_test.ts">
      <skipped type="skipped" message="no Kafka -> no test"/>
    </testcase>
    <testcase name="fails &amp; says so" classname="outer" failure="1 !== 2&#10;">
      <failure type="testCodeFailure" message="a > b">
[Error [ERR_TEST_FAILURE]: &lt;testcase name="x"/>]
      </failure>
    </testcase>
  </testsuite>
</testsuites>`),
      {
        passed: 1,
        failed: ["fails & says so"],
        skipped: ["skipped (tests/y/a_test.ts): no Kafka -> no test"],
      },
    );
  });

  it("finds nothing in a report that is not there", () => {
    assert.deepEqual(tallyJunit(""), { passed: 0, failed: [], skipped: [] });
  });
});
