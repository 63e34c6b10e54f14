// SPDX-License-Identifier: MIT
#pragma once

// A page about this process: the CMake target eddy::inspect. Not part of <eddy/eddy.hpp>.

#include <memory>
#include <string_view>

#include <eddy/detail/export.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/result.hpp>

EDDY_HEADERS_OF(inspect)

namespace eddy::inspect {

class server;

/// Serves a page about this process by HTTP/1.1: `auto page = eddy::inspect::serve("127.0.0.1:6670");`
///
/// - `/` is the page: all tasks with what they wait for, histograms, and how busy the workers are. It refreshes itself.
/// - `/tasks.json` is dump_tasks(), `/statistics.json` all_task_statistics(), `/metrics` metrics_text().
///
/// **Not for the public network.** There is no password and no encryption, and the page shows addresses, names and
/// source files of the program. Use a loopback address, and `ssh -L 6670:localhost:6670 host` from elsewhere. A request
/// is refused (403) unless its Host is `localhost`, a loopback address or the given address, so that no other web page
/// can read the answers through a name of its own (DNS rebinding). Slow clients do not keep a person out: a connection
/// ends if the head of a request takes longer than 1 s, or after 10 s without a request, and there may be 256.
///
/// While the server exists, a program that waits for ever is not reported (runtime_builder::report_deadlocks()): its
/// thread waits for connections, so not all threads sleep without an end.
///
/// `address` is an IP address and a port, `127.0.0.1:6670` or `[::1]:6670`, or `localhost:6670`, which is 127.0.0.1.
/// Port 0 is any free port: see server::address().
/// Errors: errc::bad_address; address_in_use, permission_denied and the other errors of bind(2); errors of the driver
/// and of the new thread, for example too_many_files_open.
/// Thread safety: any thread. Tasks may call it, too: it waits only for the new thread.
/// Cost: one thread. Nothing else while there is no request: answers cost what the three functions cost.
[[nodiscard]] EDDY_API result<server> serve(std::string_view address = "127.0.0.1:6670") noexcept;

/// The server of serve(). It has a thread and an event loop of its own, so it answers while all threads of the program
/// are blocked. Its executor in the tree and in the metrics is an event loop; the page does not show it.
///
/// The destructor stops the server: it closes the listener and the connections, and joins the thread. It waits for an
/// answer that is being written, at most as long as dump_tasks() takes.
/// Thread safety: one thread at a time.
class EDDY_API server {
public:
    /// Moves the server. `other` has none afterwards.
    server(server&& other) noexcept;
    server& operator=(server&& other) noexcept;
    ~server();

    /// Returns the address at which it listens, also if the port was chosen by the system.
    [[nodiscard]] const net::socket_addr& address() const noexcept { return address_; }

private:
    struct running;
    friend result<server> serve(std::string_view address) noexcept;

    server(std::unique_ptr<running> thread, const net::socket_addr& address) noexcept;

    std::unique_ptr<running> thread_;
    net::socket_addr address_;
};

}  // namespace eddy::inspect
