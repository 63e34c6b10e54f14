// SPDX-License-Identifier: MIT
#include <csignal>

#include "modes.hpp"

namespace bench {

namespace {

/// Stops the server process while an instance exists. A connect costs the load generator as much as an accept costs the
/// server. So if the server were running, it would serve each client before the next client connects.
class standstill {
public:
    explicit standstill(pid_t server) : server_(server) {
        if (::kill(server_, SIGSTOP) < 0) throw_errno("kill");
    }
    ~standstill() { ::kill(server_, SIGCONT); }
    standstill(const standstill&) = delete;
    standstill& operator=(const standstill&) = delete;

private:
    pid_t server_;
};

class weather {
public:
    weather(const load_options& wanted, clients& all, interval& measured)
        : wanted_(wanted), all_(all), measured_(measured) {}

    void run() {
        all_.open_all(wanted_.connections);
        for (unsigned i = 0; i < wanted_.connections; ++i) send_next(i);
        const auto calm_until = now() + from_seconds(wanted_.warmup);
        while (all_.time() < calm_until) all_.turn(answered_);
        missing_ = wanted_.storm;
        gather_at_the_door();
        while (missing_ > 0) all_.turn(answered_);
        measured_.end();
        all_.drain(answered_);
    }

private:
    void gather_at_the_door() {
        const standstill server(wanted_.server_pid);
        for (unsigned i = 0; i < wanted_.storm; ++i) all_.open(wanted_.connections + i);
        measured_.begin();
    }

    void send_next(unsigned client) {
        all_.begin(client);
        all_.flush(client);
    }

    void answered(unsigned client) {
        measured_.count();
        if (client >= wanted_.connections) {
            --missing_;
            measured_.record(all_.time() - measured_.begun());
        } else if (!measured_.is_over()) {
            send_next(client);
        }
    }

    const load_options& wanted_;
    clients& all_;
    interval& measured_;
    unsigned missing_ = 0;  // the number of new clients without an answer
    clients::on_answer answered_ = [this](unsigned client) { answered(client); };
};

}  // namespace

void storm(const load_options& wanted, clients& all, interval& measured) { weather(wanted, all, measured).run(); }

}  // namespace bench
