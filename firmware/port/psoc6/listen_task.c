/* Opens the board, then hears: one model after the other. */
#include "FreeRTOS.h"
#include "app/line.h"
#include "app/listener.h"
#include "cyhal.h"
#include "es_port.h"
#include "task.h"

#define POLL_MS 5

static cyhal_wdt_t watchdog;

static void say(const es_program *p, const char *text)
{
    es_line line;

    es_line_begin(&line, &p->uart, text);
    es_line_end(&line);
}

/* What is missing is said; without a UART nothing can be. */
static bool open_devices(es_program *p)
{
    if (!es_uart_open(&p->uart)) {
        return false;
    }
    say(p, (cyhal_system_get_reset_reason() & CYHAL_SYSTEM_RESET_WDT) != 0 ? "boot " ES_BOARD_NAME " after the watchdog"
                                                                            : "boot " ES_BOARD_NAME);
    cyhal_system_clear_reset_reason();
    if (!es_led_open(&p->led)) {
        say(p, "error the LED's PWM did not start: is another on its pin?");
        return false;
    }
    if (!es_clock_open(&p->clock) || !es_flash_open(&p->flash)) {
        say(p, "error the flash is not 512-byte rows that erase to 0: the map in es_store.h is for another chip");
        return false;
    }
    return true;
}

static void start_update_task(es_program *p)
{
    static StaticTask_t task;
    static StackType_t stack[ES_UPDATE_STACK];

    (void)xTaskCreateStatic(es_update_task, "update", ES_UPDATE_STACK, p, ES_UPDATE_PRIORITY, stack, &task);
}

/* Hears with a model until the update task asks for the arena. Without a model
 * that opens, waits for that. */
static void hear(es_program *p, const es_model_place *place)
{
    static es_listener listener;
    const bool opened = place->data != NULL && es_listener_open(&p->classifier, place->data, place->size, p->arena,
                                                                sizeof p->arena, &p->uart) == ES_OK;
    bool ended;

    if (opened) {
        es_audio_discard();
        es_listener_start(&listener, &p->classifier, place->version, &p->audio, &p->led, &p->uart);
    } else {
        say(p, "no model: waiting for an update");
    }
    while (!es_switch_lend(&p->model_switch)) {
        if (opened) {
            (void)es_listener_step(&listener, &ended); /* a microphone has no errors and no end */
        } else {
            vTaskDelay(pdMS_TO_TICKS(POLL_MS));
        }
        cyhal_wdt_kick(&watchdog);
    }
    p->led.set(p->led.context, 0);
}

/* Waits until the update task returns the arena, but not for ever. */
static void wait_for_arena(es_program *p, es_model_place *place)
{
    uint32_t waited;

    for (waited = 0; !es_switch_take(&p->model_switch, place); waited += POLL_MS) {
        if (waited < ES_LENT_MS) {
            cyhal_wdt_kick(&watchdog);
        }
        vTaskDelay(pdMS_TO_TICKS(POLL_MS));
    }
}

void es_listen_task(void *program)
{
    es_program *p = program;
    es_model_place place;

    if (!open_devices(p)) {
        vTaskSuspend(NULL);
    }
    if (ES_BRINGUP >= 1 && ES_BRINGUP != 5 && ES_BRINGUP <= 6) {
        es_bringup(p);
    }
    if (!es_audio_open(&p->audio)) {
        say(p, "error the microphone did not start: look at the PDM pins and the audio PLL in es_board.h");
        vTaskSuspend(NULL);
    }
    es_switch_init(&p->model_switch);
    es_update_prepare(p);
    es_update_choose_model(p, &place);
    if (ES_BRINGUP != 5) {
        start_update_task(p);
    }
    if (cyhal_wdt_init(&watchdog, ES_WATCHDOG_MS) != CY_RSLT_SUCCESS) {
        say(p, "error the watchdog did not start: the board goes on without it");
    }
    for (;;) {
        hear(p, &place);
        wait_for_arena(p, &place);
    }
}
