/* The self-test, on a computer with an operating system. */
#include <stdio.h>

#define SELFTEST_PUT(c) putchar(c)
#include "selftest.h"

int main(void)
{
    return MODEL_selftest();
}
