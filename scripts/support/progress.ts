import process from "node:process";

let dots = 0;

/** Dots for what went well, lines for all else. */
export const progress = {
  /** Shows that something went well. */
  dot(): void {
    dots++;
    process.stdout.write(".");
  },
  /** Shows a line. */
  line(text: string): void {
    if (dots > 0) process.stdout.write("\n");
    dots = 0;
    console.log(text);
  },
};
