#include "autotune/doctor/machine.h"

#include <grp.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>

namespace qoq::doctor {
namespace {

namespace fs = std::filesystem;

/// What `ask` answers in a process that is not root's: root may open every file.
bool as_anybody(const std::function<bool()>& ask) {
  const pid_t child = ::fork();
  if (child == 0) {
    constexpr unsigned nobody = 65534;
    if (::geteuid() == 0 && (::setgroups(0, nullptr) != 0 || ::setresgid(nobody, nobody, nobody) != 0 ||
                             ::setresuid(nobody, nobody, nobody) != 0)) {
      ::_exit(2);
    }
    ::_exit(ask() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

class MachineTest : public ::testing::Test {
 protected:
  MachineTest() {
    std::string path = (fs::temp_directory_path() / "qoq_machine_XXXXXX").string();
    folder_ = ::mkdtemp(path.data());
    machine_ = {folder_ / "proc", folder_ / "dev"};
    fs::create_directories(folder_ / "dev");
  }
  ~MachineTest() override { fs::remove_all(folder_); }
  void write(const fs::path& path, const std::string& text) {
    fs::create_directories((folder_ / path).parent_path());
    std::ofstream(folder_ / path) << text;
  }
  fs::path folder_;
  Machine machine_;
};

TEST_F(MachineTest, WithoutTheDriversFilesNothingIsKnown) {
  EXPECT_FALSE(machine_.module_loaded());
  EXPECT_EQ(machine_.module_version(), "");
  EXPECT_EQ(machine_.counter_access(), CounterAccess::NotKnown);
  EXPECT_FALSE(machine_.administrator());
  EXPECT_TRUE(machine_.closed_nodes().empty());
  EXPECT_TRUE((Machine{folder_ / "none", folder_ / "none"}.closed_nodes().empty()));
}

TEST_F(MachineTest, ReadsTheModulesVersion) {
  for (const std::string kind : {"NVIDIA UNIX Open Kernel Module for x86_64  ", "NVIDIA UNIX x86_64 Kernel Module  "}) {
    write("proc/driver/nvidia/version", "NVRM version: " + kind +
                                            "580.159.04  Release Build  (dvs-builder@U22)\n"
                                            "GCC version:  gcc version 12.3.0 (Ubuntu 12.3.0-1ubuntu1)\n");
    EXPECT_TRUE(machine_.module_loaded());
    EXPECT_EQ(machine_.module_version(), "580.159.04");
  }
}

TEST_F(MachineTest, ReadsWhoMayReadCounters) {
  write("proc/driver/nvidia/params", "ResmanDebugLevel: 4294967295\nRmProfilingAdminOnly: 1\nDmaRemapPeerMmio: 1\n");
  EXPECT_EQ(machine_.counter_access(), CounterAccess::Administrators);
  write("proc/driver/nvidia/params", "RmProfilingAdminOnly: 0\n");
  EXPECT_EQ(machine_.counter_access(), CounterAccess::Everybody);
  write("proc/driver/nvidia/params", "ResmanDebugLevel: 4294967295\n");
  EXPECT_EQ(machine_.counter_access(), CounterAccess::NotKnown);
}

TEST_F(MachineTest, AnAdministratorHasTheCapability) {
  write("proc/self/status", "Name:\tqoqtune\nCapPrm:\t000001ffffffffff\nCapEff:\t000001ffffffffff\n");
  EXPECT_TRUE(machine_.administrator());
  write("proc/self/status", "CapEff:\t00000000a80425fb\n");
  EXPECT_FALSE(machine_.administrator()) << "root in a plain container";
  write("proc/self/status", "CapEff:\t0000000000200000\n");
  EXPECT_TRUE(machine_.administrator());
  write("proc/self/status", "CapEff:\tnonsense\n");
  EXPECT_FALSE(machine_.administrator());
}

TEST_F(MachineTest, FindsTheDeviceFilesThatMayNotBeOpened) {
  const auto all = fs::perms::owner_all | fs::perms::group_all | fs::perms::others_all;
  fs::permissions(folder_, all);
  for (const char* name : {"nvidia0", "nvidia12", "nvidiactl", "nvidia-uvm", "nvidia-modeset", "nvidiaX", "null"}) {
    write(fs::path("dev") / name, "");
    fs::permissions(folder_ / "dev" / name, fs::perms::owner_read);
  }
  write("dev/nvidia1", "");
  fs::permissions(folder_ / "dev/nvidia1", all);
  const std::string dev = (folder_ / "dev/").string();
  const std::vector<std::string> closed{dev + "nvidia-uvm", dev + "nvidia0", dev + "nvidia12", dev + "nvidiactl"};
  EXPECT_TRUE(as_anybody([&] { return machine_.closed_nodes() == closed; }));
}

TEST_F(MachineTest, AFolderThatCanBeWrittenOrMade) {
  EXPECT_EQ(why_not_writable(folder_), "");
  EXPECT_EQ(why_not_writable(folder_ / "not/yet/made"), "");
  EXPECT_FALSE(fs::exists(folder_ / "not")) << "asking must not make it";
  write("file", "");
  EXPECT_EQ(why_not_writable(folder_ / "file"), (folder_ / "file").string() + ": is not a folder");
  EXPECT_EQ(why_not_writable(folder_ / "file/below"), (folder_ / "file").string() + ": is not a folder");
  EXPECT_NE(why_not_writable("/proc/qoqtune"), "");
  fs::permissions(folder_, fs::perms::owner_all | fs::perms::others_read | fs::perms::others_exec);
  fs::permissions(folder_ / "dev", fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_TRUE(as_anybody(
      [&] { return why_not_writable(folder_ / "dev/cache").ends_with("/dev: cannot be written: Permission denied"); }));
}

}  // namespace
}  // namespace qoq::doctor
