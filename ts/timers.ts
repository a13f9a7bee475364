/** What Node's timers can do. */

/** The longest delay of a timer (24 days): a longer one fires at once instead of late. */
export const TIMER_MAX_MS = 0x7fff_ffff;
