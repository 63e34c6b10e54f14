// SPDX-License-Identifier: MIT
#include "sys/send_file.hpp"

#include <sys/sendfile.h>
#include <sys/types.h>

#include "sys/no_sigpipe.hpp"

namespace eddy::sys {

result<std::size_t> send_file(int socket, int file, std::uint64_t offset, std::size_t most) noexcept {
    // sendfile(2) has no MSG_NOSIGNAL.
    return no_sigpipe().run(most, [&] {
        auto at = static_cast<off_t>(offset);
        return ::sendfile(socket, file, &at, most);
    });
}

}  // namespace eddy::sys
