const GOODS = [
  { sku: "espresso-beans-1kg", price: 24.9 },
  { sku: "filter-paper-100", price: 4.5 },
  { sku: "hand-grinder", price: 89 },
  { sku: "kettle-gooseneck", price: 64.5 },
  { sku: "cup-double-wall", price: 12 },
] as const;
const CUSTOMERS = ["ada", "grace", "edsger", "barbara", "donald", "margaret", "alan", "katherine"];

/** One order in so many has no address, and no invoice can be made for it. */
const WITHOUT_ADDRESS = 97;
/** With one order in so many the tax office does not answer when it is asked first. */
const TAX_OFFICE_BUSY = 23;

/** An order, as it stands in a message. */
export interface Order {
  id: number;
  customer: string;
  address: string | null;
  items: { sku: string; price: number; quantity: number }[];
  total: number;
  currency: "EUR";
  at: string;
}

/** A payment, as it stands in a message. */
export interface Payment {
  id: number;
  customer: string;
  amount: number;
}

/** A message for a producer. */
export interface ShopMessage {
  key: string;
  value: string;
}

/**
 * Makes an order.
 *
 * @param id Its number; what is in it follows from that.
 * @param at When it was made.
 * @returns A message whose key is the customer.
 */
export function makeOrder(id: number, at: Date): ShopMessage {
  const customer = customerOf(id);
  const items = Array.from({ length: 1 + id % 3 }, (_, index) => ({
    ...GOODS[(id + index * 2) % GOODS.length]!,
    quantity: 1 + (id + index) % 2,
  }));
  const total = items.reduce((sum, { price, quantity }) => sum + price * quantity, 0);
  const address = id % WITHOUT_ADDRESS === 0 ? null : `${id % 200 + 1} Roastery Lane`;
  const order: Order = {
    id,
    customer,
    address,
    items,
    total,
    currency: "EUR",
    at: at.toISOString(),
  };
  return { key: customer, value: JSON.stringify(order) };
}

/**
 * Makes a payment.
 *
 * @param id Its number; what is in it follows from that.
 * @returns A message whose key is the customer.
 */
export function makePayment(id: number): ShopMessage {
  const customer = customerOf(id);
  const payment: Payment = { id, customer, amount: 10 + id % 90 };
  return { key: customer, value: JSON.stringify(payment) };
}

/** Whether the tax office does not answer when it is asked for this order first. */
export function taxOfficeIsBusy(id: number): boolean {
  return id % TAX_OFFICE_BUSY === 0;
}

/** How many of the orders from 1 to `count` have to be tried again, and how many have no invoice. */
export function troubleIn(count: number): { retries: number; deadLetters: number } {
  return {
    retries: Math.floor(count / TAX_OFFICE_BUSY) -
      Math.floor(count / (TAX_OFFICE_BUSY * WITHOUT_ADDRESS)),
    deadLetters: Math.floor(count / WITHOUT_ADDRESS),
  };
}

function customerOf(id: number): string {
  return CUSTOMERS[id * 7 % CUSTOMERS.length]!;
}
