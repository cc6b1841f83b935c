/* Tasks: what runs before what, and on how much stack.
 *
 *   priority 3 and more   the vendor's Wi-Fi and TCP/IP threads: short, and a
 *                         late one loses packets
 *   listen                40 ms of audio at a time, out of a ring of half a
 *                         second: it can wait for a packet, not for a download
 *   update                what is left: TLS, signatures, flash
 *
 * The microphone needs no task: its interrupt fills the ring. */
#ifndef ES_TASKS_H
#define ES_TASKS_H

#define ES_LISTEN_PRIORITY 2
#define ES_UPDATE_PRIORITY 1

/* In words of 4 bytes; the figures are sums of gcc's -fstack-usage along the
 * deepest chain of calls. Listening: a model's self-test, 3.5 KB. Updating: a
 * trial that fails and is reported, 6.6 KB down to the socket; the TLS handshake
 * runs on the caller's stack too, for which 8 KB are set aside. */
#define ES_LISTEN_STACK 2048
#define ES_UPDATE_STACK 4096

/* A restart follows when the listen task has not fed the watchdog for so long.
 * The chip's is at most about 6 s; a row of flash blocks the core for 20 ms. */
#define ES_WATCHDOG_MS 4000

/* How long the update task may keep the arena for a self-test and the reports
 * around it before the listen task lets the watchdog restart the board. */
#define ES_LENT_MS 60000

/* Polls for updates; bring-up step 7 does not wait for a day. */
#define ES_UPDATE_FIRST_MS 10000
#if ES_BRINGUP == 7
#define ES_UPDATE_EVERY_MS 30000
#else
#define ES_UPDATE_EVERY_MS 86400000
#endif
#define ES_UPDATE_RETRY_MS 60000

#endif
