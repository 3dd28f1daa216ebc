#include "kernels/runtime/library.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace qoq::runtime {
namespace {

namespace fs = std::filesystem;

class LibraryTest : public testing::Test {
 protected:
  LibraryTest() {
    std::string path = (fs::temp_directory_path() / "qoq_library_XXXXXX").string();
    folder_ = ::mkdtemp(path.data());
  }
  ~LibraryTest() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST_F(LibraryTest, OpensTheFirstNameThatIsThere) {
  const std::string names[] = {"libthere_is_no_such.so", "libm.so.6"};
  const Library library = Library::open(names);
  ASSERT_TRUE(library) << library.reason();
  EXPECT_EQ(library.reason(), "");
  const auto cosine = library.find_as<double (*)(double)>("cos");
  ASSERT_NE(cosine, nullptr);
  EXPECT_EQ(cosine(0.0), 1.0);
  EXPECT_EQ(library.find("no_such_symbol"), nullptr);
}

TEST_F(LibraryTest, KeepsTheReason) {
  const std::string names[] = {"libthere_is_no_such.so"};
  const Library library = Library::open(names, std::vector<fs::path>{folder_, "/no/such/folder"});
  EXPECT_FALSE(library);
  EXPECT_NE(library.reason().find("libthere_is_no_such.so: cannot open"), std::string::npos) << library.reason();
  EXPECT_EQ(library.find("cos"), nullptr);
}

TEST_F(LibraryTest, ADamagedFileIsTheBetterReasonAndTheSearchGoesOn) {
  fs::create_directories(folder_ / "damaged");
  std::ofstream(folder_ / "damaged/libx.so") << "no library";
  const std::string names[] = {"libx.so"};
  const Library none = Library::open(names, std::vector<fs::path>{folder_ / "damaged"});
  EXPECT_FALSE(none);
  EXPECT_NE(none.reason().find("damaged/libx.so"), std::string::npos) << none.reason();

  const std::string either[] = {"libx.so", "libm.so.6"};
  EXPECT_TRUE(Library::open(either, std::vector<fs::path>{folder_ / "damaged"}));
}

TEST_F(LibraryTest, CudaFoldersBeginWithTheEnvironment) {
  fs::create_directories(folder_ / "lib64");
  ::setenv("CUDA_HOME", folder_.c_str(), 1);
  const auto folders = cuda_library_folders();
  ::unsetenv("CUDA_HOME");
  ASSERT_FALSE(folders.empty());
  EXPECT_EQ(folders[0], folder_ / "lib64");
  for (const fs::path& folder : folders) EXPECT_TRUE(fs::is_directory(folder)) << folder;
  const auto without = cuda_library_folders();
  EXPECT_EQ(std::ranges::count(without, folder_ / "lib64"), 0);
}

TEST_F(LibraryTest, CudaFoldersHoldTheWheelsBesideTheCurrentFolderAndItsParents) {
  fs::create_directories(folder_ / ".deps/cuda/lib");
  fs::create_directories(folder_ / "work/nvidia/cu13/lib");
  fs::create_directories(folder_ / "work/deeper");
  const fs::path before = fs::current_path();
  fs::current_path(folder_ / "work/deeper");
  const fs::path root = fs::current_path().parent_path().parent_path();  // the temporary folder may be a link
  const auto folders = cuda_library_folders();
  fs::current_path(before);
  EXPECT_EQ(std::ranges::count(folders, root / ".deps/cuda/lib"), 1);
  EXPECT_EQ(std::ranges::count(folders, root / "work/nvidia/cu13/lib"), 1);
}

}  // namespace
}  // namespace qoq::runtime
