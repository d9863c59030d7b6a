const GOODS = [
  { sku: "espresso-beans-1kg", price: 24.9 },
  { sku: "filter-paper-100", price: 4.5 },
  { sku: "hand-grinder", price: 89 },
  { sku: "kettle-gooseneck", price: 64.5 },
  { sku: "cup-double-wall", price: 12 },
] as const;
const CUSTOMERS = ["ada", "grace", "edsger", "barbara", "donald", "margaret", "alan", "katherine"];

/** An order, as it stands in a message. */
export interface Order {
  id: number;
  customer: string;
  items: { sku: string; price: number; quantity: number }[];
  total: number;
  currency: "EUR";
  at: string;
}

/**
 * Makes an order.
 *
 * @param id Its number; what is in it follows from that.
 * @param at When it was made.
 * @returns A message for a producer: the customer is its key.
 */
export function makeOrder(id: number, at: Date): { key: string; value: string } {
  const customer = CUSTOMERS[id * 7 % CUSTOMERS.length]!;
  const items = Array.from({ length: 1 + id % 3 }, (_, index) => ({
    ...GOODS[(id + index * 2) % GOODS.length]!,
    quantity: 1 + (id + index) % 2,
  }));
  const total = items.reduce((sum, { price, quantity }) => sum + price * quantity, 0);
  const order: Order = { id, customer, items, total, currency: "EUR", at: at.toISOString() };
  return { key: customer, value: JSON.stringify(order) };
}
