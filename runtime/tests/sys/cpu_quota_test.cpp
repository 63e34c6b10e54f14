// SPDX-License-Identifier: MIT
#ifdef __linux__

#include "sys/linux/cpu_quota.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "support/temp_dir.hpp"
#include "sys/thread.hpp"

namespace {

namespace sys = eddy::sys;

/// A folder in place of `/`, with the files that tell a process its control groups.
class fake_root {
public:
    fake_root(std::string_view groups, std::string_view mounts) {
        file("/proc/self/cgroup", groups);
        file("/proc/self/mountinfo", mounts);
    }

    fake_root& file(std::string_view path, std::string_view contents) {
        const std::filesystem::path whole = path_ + std::string(path);
        std::filesystem::create_directories(whole.parent_path());
        std::ofstream(whole) << contents;
        return *this;
    }
    [[nodiscard]] unsigned quota() const { return sys::cpu_quota(path_); }

private:
    support::temp_dir temp_;
    std::string path_ = temp_ / "root";
};

constexpr std::string_view v2_mount =
    "24 19 0:21 / /proc rw,nosuid - proc proc rw\n"
    "25 19 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
constexpr std::string_view v1_mounts =
    "30 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 master:2 - cgroup cgroup rw,cpu,cpuacct\n";

TEST(CpuQuota, OfVersion2IsRoundedUp) {
    fake_root root("0::/\n", v2_mount);
    EXPECT_EQ(root.quota(), 0u) << "a group without the file";
    EXPECT_EQ(root.file("/sys/fs/cgroup/cpu.max", "max 100000\n").quota(), 0u);
    EXPECT_EQ(root.file("/sys/fs/cgroup/cpu.max", "250000 100000\n").quota(), 3u);
    EXPECT_EQ(root.file("/sys/fs/cgroup/cpu.max", "200000 100000\n").quota(), 2u);
    EXPECT_EQ(root.file("/sys/fs/cgroup/cpu.max", "1000 100000\n").quota(), 1u);
}

TEST(CpuQuota, IsTheLeastOfTheGroupsAbove) {
    fake_root root("0::/system.slice/web.service\n", v2_mount);
    root.file("/sys/fs/cgroup/system.slice/web.service/cpu.max", "400000 100000\n");
    EXPECT_EQ(root.quota(), 4u);
    EXPECT_EQ(root.file("/sys/fs/cgroup/system.slice/cpu.max", "150000 100000\n").quota(), 2u);
    EXPECT_EQ(root.file("/sys/fs/cgroup/cpu.max", "100000 100000\n").quota(), 1u);
}

TEST(CpuQuota, OfVersion1) {
    fake_root root("11:memory:/a\n5:cpu,cpuacct:/docker/5a1\n0::/b\n", v1_mounts);
    EXPECT_EQ(root.quota(), 0u);
    root.file("/sys/fs/cgroup/cpu,cpuacct/docker/5a1/cpu.cfs_quota_us", "-1\n");
    root.file("/sys/fs/cgroup/cpu,cpuacct/docker/5a1/cpu.cfs_period_us", "100000\n");
    EXPECT_EQ(root.quota(), 0u);
    EXPECT_EQ(root.file("/sys/fs/cgroup/cpu,cpuacct/docker/5a1/cpu.cfs_quota_us", "350000\n").quota(), 4u);
}

TEST(CpuQuota, OfAContainerWhoseMountShowsItsOwnGroup) {
    // Without a namespace of control groups, the name of the group is the one outside of the container.
    fake_root root("5:cpu:/docker/5a1/inner\n",
                   "31 25 0:27 /docker/5a1 /sys/fs/cgroup/my\\040cpu ro - cgroup cgroup rw,cpu\n");
    root.file("/sys/fs/cgroup/my cpu/cpu.cfs_quota_us", "600000\n");
    root.file("/sys/fs/cgroup/my cpu/cpu.cfs_period_us", "100000\n");
    EXPECT_EQ(root.quota(), 6u);
    root.file("/sys/fs/cgroup/my cpu/inner/cpu.cfs_quota_us", "50000\n");
    root.file("/sys/fs/cgroup/my cpu/inner/cpu.cfs_period_us", "100000\n");
    EXPECT_EQ(root.quota(), 1u);
}

TEST(CpuQuota, OfAGroupOutsideOfTheNamespaceIsThatOfItsRoot) {
    fake_root root("0::/../other\n", v2_mount);
    EXPECT_EQ(root.file("/sys/fs/cgroup/cpu.max", "200000 100000\n").quota(), 2u);
}

TEST(CpuQuota, IsZeroForWhatItCannotRead) {
    EXPECT_EQ(sys::cpu_quota("/nowhere"), 0u);
    EXPECT_EQ(fake_root("", "").quota(), 0u);
    EXPECT_EQ(fake_root("::\n0\n:\n0::\n", "- \n - cgroup2 x y\n1 2 3 / /sys/fs/cgroup - cgroup2\n").quota(), 0u);
    fake_root root("0::/\n", v2_mount);
    for (const char* text : {"", "\n", "max", "100000", "x 100000\n", "100000 0\n", "-5 100000\n"})
        EXPECT_EQ(root.file("/sys/fs/cgroup/cpu.max", text).quota(), 0u) << text;
}

TEST(CpuQuota, LimitsTheProcessorCount) {
    const unsigned quota = sys::cpu_quota();
    const unsigned processors = sys::processor_count();
    EXPECT_GE(processors, 1u);
    EXPECT_LE(processors, quota == 0 ? processors : quota);
}

}  // namespace

#endif
