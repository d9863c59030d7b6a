import { HANDLER_THREADS, type Staff } from "./staff.ts";

const COLUMNS = {
  time: 7,
  orders: 7,
  lag: 5,
  heartbeats: 10,
  payments: 9,
  commits: 7,
  "lag ": 5,
  invoices: 9,
  " lag": 5,
  "threads busy": 12,
  retries: 7,
  "dead letters": 12,
} as const;
/** Over how many lines the busy threads are averaged. */
const SAMPLES = 3;

/** The demo's live table. */
export class Table {
  readonly #staff: Staff;
  readonly #began: number;
  readonly #busy: { at: number; ms: number }[] = [];

  /**
   * Makes a table.
   *
   * @param staff Who is shown.
   * @param began When the shop has opened.
   */
  constructor(staff: Staff, began: number) {
    this.#staff = staff;
    this.#began = began;
  }

  /** Whom the columns are about, and their names. */
  head(): string {
    const about = ["ThreadManager", "ordered", `parallel, by key, ${HANDLER_THREADS} threads`];
    const at = ["orders", "payments", "invoices"].map((name) => startOf(name));
    const over = about.reduce((line, who, index) => line.padEnd(at[index]!) + who, "");
    return `${over}\n${row(Object.keys(COLUMNS).map((name) => name.trim()))}`;
  }

  /** What they are at now. */
  line(): string {
    const { manager, counted, ledger, booked, invoices, made } = this.#staff;
    const now = performance.now();
    const [counting, booking, making] = [manager.stats(), ledger.stats(), invoices.stats()];
    return row([
      `${((now - this.#began) / 1_000).toFixed(1)} s`,
      `${counted.count.value}`,
      `${counting.lag}`,
      `${counting.heartbeats}`,
      `${booked.count.value}`,
      `${booking.commits}`,
      `${booking.lag}`,
      `${made.made}`,
      `${making.lag}`,
      this.#threadsBusy(now, making.handlers.busyMs),
      `${made.retries}`,
      `${made.deadLetters}`,
    ]);
  }

  #threadsBusy(at: number, ms: number): string {
    this.#busy.push({ at, ms });
    if (this.#busy.length > SAMPLES) this.#busy.shift();
    const [first] = this.#busy;
    if (at === first!.at) return "-";
    const busy = Math.min(HANDLER_THREADS, (ms - first!.ms) / (at - first!.at));
    return `${busy.toFixed(1)} of ${HANDLER_THREADS}`;
  }
}

/** Where the text of a column begins. */
function startOf(name: string): number {
  const names = Object.keys(COLUMNS);
  const widths = Object.values(COLUMNS).slice(0, names.indexOf(name) + 1);
  return widths.reduce((sum, width) => sum + width + 2, -2) - name.length;
}

function row(cells: readonly string[]): string {
  const widths = Object.values(COLUMNS);
  return cells.map((cell, index) => cell.padStart(widths[index]!)).join("  ");
}
