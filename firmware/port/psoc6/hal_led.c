#include "cyhal.h"
#include "es_port.h"

/* Faster than an eye, slow enough for the timer's counter. */
#define PWM_HZ 1000u

static cyhal_pwm_t pwm;

/* The pin is low while the LED is lit, so a brighter LED is a smaller duty. */
static void set(void *context, uint8_t brightness)
{
    (void)context;
    (void)cyhal_pwm_set_duty_cycle(&pwm, 100.0f - (float)brightness * (100.0f / 255.0f), PWM_HZ);
}

bool es_led_open(es_led *led)
{
    led->context = NULL;
    led->set = set;
    if (cyhal_pwm_init(&pwm, ES_PIN_LED, NULL) != CY_RSLT_SUCCESS) {
        return false;
    }
    set(NULL, 0);
    return cyhal_pwm_start(&pwm) == CY_RSLT_SUCCESS;
}
