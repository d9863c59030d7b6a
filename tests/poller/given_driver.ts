// A driver module for tests: the driver is what the options give. Only for pollers on the test's own
// thread, as a function does not cross to another one.
import type { CreateDriver } from "../../src/driver.ts";

const createGivenDriver: CreateDriver = (context) =>
  (context.driverOptions as { create: CreateDriver }).create(context);

export default createGivenDriver;
