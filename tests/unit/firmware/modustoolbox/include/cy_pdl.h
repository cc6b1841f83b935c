/* mtb-pdl-cat1 (PDL API reference, "System Library") and CMSIS-Core. */
#ifndef THIN_CY_PDL_H
#define THIN_CY_PDL_H

void thin_assert_failed(void);
#define CY_ASSERT(x) ((x) ? (void)0 : thin_assert_failed())

/* CMSIS-Core: lets interrupts in. */
void __enable_irq(void);

#endif
