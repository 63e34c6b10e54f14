// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

// Failures of the kqueue(2) in kqueue.cpp. Each one happens once, and affects only the calling thread.

namespace support {

/// Makes the next change of `filter` that has one of `flags` fail.
struct kqueue_change_fault {
    int filter;
    unsigned flags;
    int error;                ///< An errno.
    bool fails_call = false;  ///< kevent() fails, and makes no change. Otherwise the receipt has the error.
};

struct kqueue_faults {
    int creation = 0;           ///< The errno of the next kqueue().
    int descriptor_flags = 0;   ///< The errno of the next fcntl() that sets the flags of a kqueue.
    int wait = 0;               ///< The errno of the next kevent() that makes no change.
    bool hides_urgent = false;  ///< The next event of EVFILT_EXCEPT lacks NOTE_OOB.
    std::vector<kqueue_change_fault> changes;

    /// Returns whether each failure has happened.
    [[nodiscard]] bool have_happened() const {
        return creation == 0 && descriptor_flags == 0 && wait == 0 && !hides_urgent && changes.empty();
    }
};

inline thread_local kqueue_faults next_kqueue_faults;

}  // namespace support
