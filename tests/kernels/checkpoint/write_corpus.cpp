// Writes the fuzz tests' corpus into the folder given.
#include <cstdio>
#include <exception>

#include "tests/kernels/checkpoint/corpus.h"

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: checkpoint_write_corpus FOLDER\n");
    return 2;
  }
  try {
    qoq::test::write_corpus(arguments[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
