/* mtb-hal-cat1, "Hardware Abstraction Layer" API reference; the module is named at each part. */
#ifndef THIN_CYHAL_H
#define THIN_CYHAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cy_pdl.h"
#include "cy_result.h"

/* "GPIO": a pin. */
typedef int cyhal_gpio_t;

/* "HAL General Types": the lowest interrupt priority, which may call FreeRTOS. */
#define CYHAL_ISR_PRIORITY_DEFAULT 7u

/* "Clock" */
typedef struct {
    int block;
} cyhal_clock_t;
typedef struct {
    int type;
    uint32_t value;
} cyhal_clock_tolerance_t;
extern const cyhal_clock_t CYHAL_CLOCK_PLL[2];
extern const cyhal_clock_t CYHAL_CLOCK_HF[6];
cy_rslt_t cyhal_clock_reserve(cyhal_clock_t *clock, const cyhal_clock_t *source);
cy_rslt_t cyhal_clock_set_frequency(cyhal_clock_t *clock, uint32_t hz, const cyhal_clock_tolerance_t *tolerance);
cy_rslt_t cyhal_clock_set_source(cyhal_clock_t *clock, const cyhal_clock_t *source);
cy_rslt_t cyhal_clock_set_enabled(cyhal_clock_t *clock, bool enabled, bool wait_for_lock);

/* "PDM/PCM": lengths in words, gains in steps of 0.5 dB (-24 to 21 on PSoC 6),
 * events are flags that are or'ed together. */
typedef struct {
    int block;
} cyhal_pdm_pcm_t;
typedef enum { CYHAL_PDM_PCM_RX_OVERFLOW = 0x04, CYHAL_PDM_PCM_ASYNC_COMPLETE = 0x10 } cyhal_pdm_pcm_event_t;
typedef enum { CYHAL_PDM_PCM_MODE_LEFT } cyhal_pdm_pcm_mode_t;
typedef struct {
    uint32_t sample_rate;
    uint8_t decimation_rate;
    cyhal_pdm_pcm_mode_t mode;
    uint8_t word_length;
    int16_t left_gain;
    int16_t right_gain;
} cyhal_pdm_pcm_cfg_t;
typedef void (*cyhal_pdm_pcm_event_callback_t)(void *context, cyhal_pdm_pcm_event_t event);
cy_rslt_t cyhal_pdm_pcm_init(cyhal_pdm_pcm_t *converter, cyhal_gpio_t data, cyhal_gpio_t clock_pin,
                             const cyhal_clock_t *clock, const cyhal_pdm_pcm_cfg_t *settings);
void cyhal_pdm_pcm_register_callback(cyhal_pdm_pcm_t *converter, cyhal_pdm_pcm_event_callback_t callback,
                                     void *context);
void cyhal_pdm_pcm_enable_event(cyhal_pdm_pcm_t *converter, cyhal_pdm_pcm_event_t event, uint8_t priority,
                                bool enable);
cy_rslt_t cyhal_pdm_pcm_start(cyhal_pdm_pcm_t *converter);
cy_rslt_t cyhal_pdm_pcm_read_async(cyhal_pdm_pcm_t *converter, void *data, size_t length);
cy_rslt_t cyhal_pdm_pcm_abort_async(cyhal_pdm_pcm_t *converter);
cy_rslt_t cyhal_pdm_pcm_clear(cyhal_pdm_pcm_t *converter);

/* "PWM": duty in percent of the time that the pin is high. cyhal_pwm_init is a
 * macro there, with these arguments. */
typedef struct {
    int counter;
} cyhal_pwm_t;
cy_rslt_t cyhal_pwm_init(cyhal_pwm_t *pwm, cyhal_gpio_t pin, const cyhal_clock_t *clock);
cy_rslt_t cyhal_pwm_set_duty_cycle(cyhal_pwm_t *pwm, float percent, uint32_t hz);
cy_rslt_t cyhal_pwm_start(cyhal_pwm_t *pwm);

/* "Flash": erase takes the address of a page, program a page of words in RAM;
 * both return when the flash has done it. */
typedef struct {
    int block;
} cyhal_flash_t;
typedef struct {
    uint32_t start_address;
    uint32_t size;
    uint32_t page_size;
    uint8_t erase_value;
} cyhal_flash_block_info_t;
typedef struct {
    uint8_t block_count;
    const cyhal_flash_block_info_t *blocks;
} cyhal_flash_info_t;
cy_rslt_t cyhal_flash_init(cyhal_flash_t *flash);
void cyhal_flash_get_info(const cyhal_flash_t *flash, cyhal_flash_info_t *info);
cy_rslt_t cyhal_flash_read(cyhal_flash_t *flash, uint32_t address, uint8_t *data, size_t size);
cy_rslt_t cyhal_flash_erase(cyhal_flash_t *flash, uint32_t address);
cy_rslt_t cyhal_flash_program(cyhal_flash_t *flash, uint32_t address, const uint32_t *data);

/* "WDT": 1 ms to about 6 s on PSoC 6. */
typedef struct {
    int unused;
} cyhal_wdt_t;
cy_rslt_t cyhal_wdt_init(cyhal_wdt_t *watchdog, uint32_t timeout_ms);
void cyhal_wdt_kick(cyhal_wdt_t *watchdog);

/* "System": why the chip was reset, as flags. */
typedef enum { CYHAL_SYSTEM_RESET_WDT = 1 << 2 } cyhal_reset_reason_t;
cyhal_reset_reason_t cyhal_system_get_reset_reason(void);
void cyhal_system_clear_reset_reason(void);

#endif
