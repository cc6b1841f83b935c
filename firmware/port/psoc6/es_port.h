/* The parts of this port: the board's devices behind hal/, and the two tasks. */
#ifndef ES_PORT_H
#define ES_PORT_H

#include "core/classifier.h"
#include "es_board.h"
#include "es_model_switch.h"
#include "es_tasks.h"
#include "hal/audio.h"
#include "hal/clock.h"
#include "hal/flash.h"
#include "hal/led.h"
#include "hal/net.h"
#include "hal/uart.h"
#include "ota/update.h"

/* 0, or the step of README.md's bring-up that this build is for. */
#ifndef ES_BRINGUP
#define ES_BRINGUP 0
#endif

/* Each opens a device, once; false where the vendor's library refuses. */
bool es_uart_open(es_uart *uart); /* 115200 baud; a write is whole, whichever task it comes from */
bool es_led_open(es_led *led);
bool es_flash_open(es_flash *flash); /* the store of es_store.h */
bool es_clock_open(es_clock *clock);
bool es_audio_open(es_audio *audio); /* 16 kHz from the microphone; starts it */

/* After the network is up (es_wifi_connect). */
bool es_net_open(es_net *net, const es_clock *clock, const char *root_certificates);

/* Forgets what the microphone has heard meanwhile. */
void es_audio_discard(void);

/* Joins the network of earshot_secrets.h, where that has not been done; false
 * where it fails, which takes seconds. `address`: this board's, as four bytes. */
bool es_wifi_connect(uint8_t address[4]);

/* The model that this firmware was built with; false where it has none. */
bool es_factory_model(es_model_place *place);

/* Everything that the tasks share. */
typedef struct {
    es_uart uart;
    es_led led;
    es_audio audio;
    es_flash flash;
    es_clock clock;
    es_net net;
    es_updater updater; /* the update task's, once it runs */
    es_model_switch model_switch;
    es_classifier classifier; /* and arena: by turns, see es_model_switch.h */
    uint32_t arena[ES_ARENA_BYTES / 4];
} es_program;

/* The tasks; argument: the es_program. */
void es_listen_task(void *program);
void es_update_task(void *program);

/* Fills in the updater from earshot_secrets.h; devices uart, flash and clock are open. */
void es_update_prepare(es_program *p);

/* The confirmed model, or the factory's; data NULL where there is neither.
 * To be called by whoever has the updater. */
void es_update_choose_model(es_program *p, es_model_place *place);

/* Bring-up steps 1 to 4 and 6; does not return. */
void es_bringup(es_program *p);

#endif
