/** The topic id that stands for none (KIP-516). */
export const NO_TOPIC_ID = "00000000-0000-0000-0000-000000000000";
