/** Names of what a demo uses on Kafka: its own each time, as Kafka may be somebody's. */
export interface Shop {
  /** Topic of the orders. */
  readonly orders: string;
  /** Topic of orders for which no invoice can be made. */
  readonly deadLetters: string;
  /** Topic of the payments. */
  readonly payments: string;
  /** The groups, and which topic each of them reads. */
  readonly groups: {
    readonly revenue: Group;
    readonly ledger: Group;
    readonly invoices: Group;
  };
}

/** A group. */
export interface Group {
  readonly groupId: string;
  readonly topic: string;
}

/** How many partitions each topic has. */
export const PARTITIONS = { orders: 3, deadLetters: 1, payments: 2 } as const;

/**
 * Names everything.
 *
 * @param id What keeps one demo's names from another's.
 * @returns The names.
 */
export function nameShop(id: string): Shop {
  const orders = `demo.orders.${id}`;
  const payments = `demo.payments.${id}`;
  return {
    orders,
    payments,
    deadLetters: `${orders}.dead-letter`,
    groups: {
      revenue: { groupId: `demo.revenue.${id}`, topic: orders },
      ledger: { groupId: `demo.ledger.${id}`, topic: payments },
      invoices: { groupId: `demo.invoices.${id}`, topic: orders },
    },
  };
}
