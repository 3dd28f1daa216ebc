/* In portable builds only: libstdc++.a of g++ 12 takes arc4random from glibc 2.36 (std::random_device). With this one
 * the program asks for 2.35 at most, so that it also starts on Ubuntu 22.04. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

uint32_t arc4random(void);

uint32_t arc4random(void) {
  uint32_t value = 0;
  if (getrandom(&value, sizeof value, 0) != sizeof value) abort(); /* cannot fail for so few bytes, see getrandom(2) */
  return value;
}
