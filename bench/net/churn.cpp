// SPDX-License-Identifier: MIT
#include <vector>

#include "modes.hpp"

namespace bench {

namespace {

class loop {
public:
    loop(const load_options& wanted, clients& all, interval& measured)
        : wanted_(wanted), all_(all), measured_(measured), starts_(wanted.connections) {}

    void run() {
        for (unsigned i = 0; i < wanted_.connections; ++i) open(i);
        run_until(now() + from_seconds(wanted_.warmup));
        measured_.begin();
        run_until(measured_.begun() + from_seconds(wanted_.seconds));
        measured_.end();
        stopped_ = true;
        all_.drain(answered_);  // how long these took counts, too: who stops here forgets the slowest
    }

private:
    void run_until(nanoseconds end) {
        while (all_.time() < end) all_.turn(answered_);
    }

    void open(unsigned client) {
        starts_[client] = now();
        all_.open(client);
    }

    void answered(unsigned client) {
        measured_.count();
        all_.close(client);
        if (measured_.running() || stopped_) measured_.record(now() - starts_[client]);
        if (!stopped_) open(client);
    }

    const load_options& wanted_;
    clients& all_;
    interval& measured_;
    std::vector<nanoseconds> starts_;
    clients::on_answer answered_ = [this](unsigned client) { answered(client); };
    bool stopped_ = false;
};

}  // namespace

void churn(const load_options& wanted, clients& all, interval& measured) { loop(wanted, all, measured).run(); }

}  // namespace bench
