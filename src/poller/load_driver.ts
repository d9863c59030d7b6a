/** Finds the driver: one of ours by name, or a module of the user's by address. */

import type { ConsumerDriver, CreateDriver, DriverContext } from "../driver.ts";
import { DriverError } from "../errors.ts";
import { errorText } from "../threads/error_text.ts";

const METHODS = ["poll", "commit", "pause", "resume", "close"] as const;

/**
 * Loads a driver and makes it.
 *
 * @throws {DriverError} If the module cannot be loaded, its default export is not a function, or what
 * that returns is not a driver. None of these goes away by trying again.
 */
export async function loadDriver(
  { driver, driverIsUrl }: { driver: string; driverIsUrl: boolean },
  context: DriverContext,
): Promise<ConsumerDriver> {
  const createDriver = driverIsUrl ? await importDriver(driver) : await builtInDriver(driver);
  let made: unknown;
  try {
    made = await createDriver(context);
  } catch (cause) {
    throw new DriverError(`Cannot make the driver "${driver}": ${errorText(cause)}`, {
      code: "DRIVER_FAILED",
      cause,
      retriable: false,
    });
  }
  const missing = METHODS.filter((method) =>
    typeof (made as Partial<ConsumerDriver> | null)?.[method] !== "function"
  );
  if (missing.length > 0) {
    throw new DriverError(
      `Cannot use the driver "${driver}": what its default export returned has no ${
        missing.map((method) => `${method}()`).join(", ")
      }`,
      { code: "DRIVER_INVALID", retriable: false },
    );
  }
  return made as ConsumerDriver;
}

async function builtInDriver(name: string): Promise<CreateDriver> {
  try {
    return name === "platformatic"
      ? (await import("./drivers/platformatic/driver.ts")).default
      : (await import("./drivers/kafkajs/driver.ts")).default;
  } catch (cause) {
    throw loadError(name, cause);
  }
}

async function importDriver(address: string): Promise<CreateDriver> {
  let module: { default?: unknown };
  try {
    module = await import(address);
  } catch (cause) {
    throw loadError(address, cause);
  }
  if (typeof module.default !== "function") {
    throw new DriverError(
      `Cannot use the driver "${address}": its default export must be a function that makes a ConsumerDriver, it is ${
        module.default === undefined ? "missing" : `of type "${typeof module.default}"`
      }`,
      { code: "DRIVER_INVALID", retriable: false },
    );
  }
  return module.default as CreateDriver;
}

function loadError(name: string, cause: unknown): DriverError {
  return new DriverError(`Cannot load the driver "${name}": ${errorText(cause)}`, {
    code: "DRIVER_LOAD_FAILED",
    cause,
    retriable: false,
  });
}
