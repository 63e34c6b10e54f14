// SPDX-License-Identifier: MIT
// A program with more rights than its user ignores the environment variables of the library: the user must not choose
// files that it writes, nor learn what it does.
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "output_of.hpp"
#include "support/temp_dir.hpp"

namespace {

constexpr uid_t owner = 65533;
constexpr uid_t user = 65534;

/// Runs a program as another user, with variables of the environment. Returns its output and its status.
std::string run_as_user(const std::string& variables, const std::string& program) {
    const std::string id = std::to_string(user);
    return output_of("cd / && " + variables + " python3 -c 'import os, sys; os.setgroups([]); os.setgid(" + id +
                     "); os.setuid(" + id + "); os.execv(sys.argv[1], sys.argv[1:])' " + program +
                     " brief 2>&1; echo \"status $?\"");
}

/// A copy of a program. Its owner is not the user that runs it.
class owned_copy {
public:
    owned_copy() {
        std::filesystem::copy_file(EDDY_RECORDED, path());
        // Both users may write files there.
        is_made_ = ::chmod((folder_ / "").c_str(), 0777) == 0 && ::chown(path().c_str(), owner, owner) == 0;
    }

    [[nodiscard]] std::string path() const { return folder_ / "program"; }
    [[nodiscard]] std::string trace() const { return folder_ / "trace"; }
    /// Sets whether it runs with the rights of its owner. Returns false if this system does not permit that.
    [[nodiscard]] bool set_privileged(bool is_privileged) const {
        struct statvfs system{};
        return is_made_ && ::statvfs(path().c_str(), &system) == 0 && (system.f_flag & ST_NOSUID) == 0 &&
               ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 &&
               ::chmod(path().c_str(), is_privileged ? 04755 : 0755) == 0;
    }

private:
    support::temp_dir folder_;
    bool is_made_ = false;
};

TEST(InspectPrivileges, SetUserIdProgramIgnoresTheEnvironment) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root makes a program of another user";
    const owned_copy program;
    const std::string variables = "EDDY_TRACE=" + program.trace() + " EDDY_DUMP=nonsense EDDY_STALL=nonsense";
    if (!program.set_privileged(false)) GTEST_SKIP() << "this file system or container ignores the set-user-ID bit";
    const std::string usual = run_as_user(variables, program.path());
    if (usual.find("Permission denied") != usual.npos) GTEST_SKIP() << "another user cannot run it: " << usual;
    EXPECT_NE(usual.find("EDDY_DUMP=nonsense is no signal"), usual.npos) << usual;
    EXPECT_NE(usual.find("EDDY_STALL=nonsense is no duration"), usual.npos) << usual;
    EXPECT_TRUE(usual.ends_with("status 0\n")) << usual;
    EXPECT_TRUE(std::filesystem::remove(program.trace()));
    EXPECT_FALSE(run_as_user("EDDY_DRIVER=nonsense", program.path()).ends_with("status 0\n"));

    ASSERT_TRUE(program.set_privileged(true));
    const std::string privileged = run_as_user(variables + " EDDY_DRIVER=nonsense", program.path());
    EXPECT_EQ(privileged.find("EDDY_"), privileged.npos) << privileged;
    EXPECT_TRUE(privileged.ends_with("status 0\n")) << privileged;
    EXPECT_FALSE(std::filesystem::exists(program.trace()));
}

}  // namespace
