// The versions that neither client speaks. These are the bytes that the message classes of Apache
// Kafka 4.1.1 (org.apache.kafka.common.message) read to the samples, and write of them.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import * as platformatic from "@platformatic/kafka";
import { describe, it } from "#std/testing/bdd";
import type { AnyApi } from "../../../src/testing/protocol/api.ts";
import { readRequest, writeResponse } from "../../../src/testing/protocol/envelope.ts";
import { APIS } from "../../../src/testing/protocol/registry.ts";
import { asReadIn } from "./arbitrary.ts";
import { requestFrame, responseBody, versionsOf } from "./frames.ts";
import { REQUESTS, RESPONSES } from "./samples.ts";

type Name = keyof typeof APIS;

const BYTES: { name: Name; version: number; request: string; response: string }[] = [
  {
    name: "produce",
    version: 12,
    request:
      "0c7472616e73616374696f6effff000004d203076f726465727303000000035f00000000000000000000005200" +
      "000000028d846d9e00000000000100000000000000010000000000000002ffffffffffffffff00000000000000" +
      "0000021c000000066b65790a76616c756500220002020e616e6f74686572086d6f72650000000000055f000000" +
      "00000000000000005200000000028d846d9e00000000000100000000000000010000000000000002ffffffffff" +
      "ffffff000000000000000000021c000000066b65790a76616c756500220002020e616e6f74686572086d6f7265" +
      "000000056dc3a17302000000015f00000000000000000000005200000000028d846d9e00000000000100000000" +
      "000000010000000000000002ffffffffffffffff000000000000000000021c000000066b65790a76616c756500" +
      "220002020e616e6f74686572086d6f726500000000",
    response:
      "02076f726465727303000000030006000001000000000000000100000000010000010000000002020000000100" +
      "000f6e6f206c65616465722068657265010009000000020000002100000000040000000000000000000cffffff" +
      "ffffffffffffffffffffffffff01000000000000290100160200000002077365636f6e6400002385057261636b" +
      "00",
  },
  {
    name: "produce",
    version: 13,
    request:
      "0c7472616e73616374696f6effff000004d2030b2c5d3e4f604a7b8c9d0e1f2031425303000000035f00000000" +
      "000000000000005200000000028d846d9e00000000000100000000000000010000000000000002ffffffffffff" +
      "ffff000000000000000000021c000000066b65790a76616c756500220002020e616e6f74686572086d6f726500" +
      "00000000055f00000000000000000000005200000000028d846d9e000000000001000000000000000100000000" +
      "00000002ffffffffffffffff000000000000000000021c000000066b65790a76616c756500220002020e616e6f" +
      "74686572086d6f7265000000f1e2d3c4b5a647988a7b6c5d4e3f201102000000015f0000000000000000000000" +
      "5200000000028d846d9e00000000000100000000000000010000000000000002ffffffffffffffff0000000000" +
      "00000000021c000000066b65790a76616c756500220002020e616e6f74686572086d6f726500000000",
    response:
      "020b2c5d3e4f604a7b8c9d0e1f2031425303000000030006000001000000000000000100000000010000010000" +
      "000002020000000100000f6e6f206c656164657220686572650100090000000200000021000000000400000000" +
      "00000000000cffffffffffffffffffffffffffffffff01000000000000290100160200000002077365636f6e64" +
      "00002385057261636b00",
  },
  {
    name: "listOffsets",
    version: 10,
    request:
      "ffffffff0102076f7264657273030000000400000009000001000000000000000000050000000affffffffffff" +
      "fffe00000000000000",
    response:
      "0000002c02076f7264657273030000000300060000010000000000000001000000000100000005000000000400" +
      "00ffffffffffffffffffffffffffffffffffffffff000000",
  },
  {
    name: "metadata",
    version: 13,
    request:
      "030b2c5d3e4f604a7b8c9d0e1f20314253076f726465727300f1e2d3c4b5a647988a7b6c5d4e3f201109706179" +
      "6d656e747300000100",
    response:
      "0000002d03000000010666697273740000238402610000000002077365636f6e6400002385000008636c757374" +
      "657200000002030000076f72646572730b2c5d3e4f604a7b8c9d0e1f2031425301020005000000030000000100" +
      "00000c030000000100000002020000000102000000020000000063000003086d697373696e6700000000000000" +
      "00000000000000000000018000000000000000",
  },
  {
    name: "describeGroups",
    version: 6,
    request: "030667726f757008616e6f746865720100",
    response:
      "0000003502000f086e6f74207965740667726f757007537461626c6509636f6e73756d65720672616e67650207" +
      "6d656d62657209696e7374616e636507636c69656e740b2f3132372e302e302e31020103020300000000610000",
  },
  {
    name: "describeCluster",
    version: 2,
    request: "01010100",
    response:
      "000000410029036e6f0208636c7573746572000000030300000001066669727374000023840261010000000002" +
      "077365636f6e64000023850000000000006000",
  },
];

describe("Apache Kafka's own bytes", () => {
  it("are here for each version that @platformatic/kafka does not have", () => {
    const missing = (Object.keys(APIS) as Name[]).flatMap((name) =>
      versionsOf(APIS[name])
        .filter((version) => !(`${name}V${version}` in platformatic))
        .map((version) => `${name} ${version}`)
    );
    assert.deepEqual(BYTES.map(({ name, version }) => `${name} ${version}`), missing);
  });

  for (const { name, version, request, response } of BYTES) {
    const api: AnyApi = APIS[name];

    it(`are understood: ${api.name} ${version}`, () => {
      const received = readRequest(requestFrame(api, version, Buffer.from(request, "hex")));
      assert.ok(received.kind === "request");
      assert.deepEqual(received.body, asReadIn(api.request.shape, version, REQUESTS[name]));
    });

    it(`are answered: ${api.name} ${version}`, () => {
      const body = responseBody(api, version, writeResponse(api, version, 7, RESPONSES[name]), 7);
      assert.equal(body.toString("hex"), response);
    });
  }
});
