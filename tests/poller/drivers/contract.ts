import { describe } from "#std/testing/bdd";
import { connecting } from "./contract/connecting.ts";
import { ending } from "./contract/ending.ts";
import { failing } from "./contract/failing.ts";
import { membership } from "./contract/membership.ts";
import { type ContractOptions, preparePlace, skip } from "./contract/place.ts";
import { producing } from "./contract/producing.ts";
import { positions } from "./contract/positions.ts";
import { reading } from "./contract/reading.ts";
import { sideBySide } from "../../support/side_by_side.ts";

/** Most scenarios wait for brokers, not for a core. */
const WIDTH = 6;

/**
 * Tests on Apache Kafka that a driver keeps the contract of `src/driver.ts`.
 *
 * @param name Name of the driver.
 * @param driver Address of its module, whose default export makes one.
 * @param options What the driver can do beyond the contract.
 */
export function driverContract(
  name: string,
  driver: URL,
  options: Partial<ContractOptions> = {},
): void {
  const can = { quickMetadata: { metadataMaxAge: 300 }, ...options };
  describe(`the ${name} driver`, { skip }, () => {
    const place = preparePlace(driver, can, sideBySide(WIDTH));
    // The one that takes longest comes first.
    failing(place);
    connecting(place);
    reading(place);
    positions(place);
    producing(place);
    membership(place);
    ending(place);
  });
}
