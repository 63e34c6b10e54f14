// SPDX-License-Identifier: MIT
#include "modes.hpp"

namespace bench {

namespace {

// So many connects in a row, and then the busy clients get their turn, or the server would have nothing else to do.
constexpr unsigned connects_at_once = 16;

class weather {
public:
    weather(const load_options& wanted, clients& all, interval& measured)
        : wanted_(wanted), all_(all), measured_(measured) {}

    void run() {
        all_.open_all(wanted_.connections);
        for (unsigned i = 0; i < wanted_.connections; ++i) send_next(i);
        const auto calm_until = now() + from_seconds(wanted_.warmup);
        while (all_.time() < calm_until) all_.turn(answered_);
        measured_.begin();
        break_loose();
        while (missing_ > 0) all_.turn(answered_);
        measured_.end();
        stopped_ = true;
        all_.drain(answered_);
    }

private:
    void break_loose() {
        missing_ = wanted_.storm;
        for (unsigned i = 0; i < wanted_.storm; ++i) {
            all_.open(wanted_.connections + i);
            if (i % connects_at_once == connects_at_once - 1) all_.look(answered_);
        }
    }

    void send_next(unsigned client) {
        all_.begin(client);
        all_.flush(client);
    }

    void answered(unsigned client) {
        measured_.count();
        if (client >= wanted_.connections) {
            --missing_;
            measured_.record(all_.time() - measured_.begun());  // for all the same moment: that is when they wanted in
        } else if (!stopped_) {
            send_next(client);
        }
    }

    const load_options& wanted_;
    clients& all_;
    interval& measured_;
    unsigned missing_ = 0;  // of the new clients, those without an answer
    clients::on_answer answered_ = [this](unsigned client) { answered(client); };
    bool stopped_ = false;
};

}  // namespace

void storm(const load_options& wanted, clients& all, interval& measured) { weather(wanted, all, measured).run(); }

}  // namespace bench
