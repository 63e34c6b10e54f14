// SPDX-License-Identifier: MIT
#include <vector>

#include "modes.hpp"
#include "run_measured.hpp"

namespace bench {

namespace {

class loop {
public:
    loop(const load_options& wanted, clients& all, interval& measured)
        : wanted_(wanted), all_(all), measured_(measured), starts_(wanted.connections) {}

    void run() {
        for (unsigned i = 0; i < wanted_.connections; ++i) open(i);
        run_measured(wanted_, all_, measured_, answered_);
    }

private:
    void open(unsigned client) {
        starts_[client] = now();
        all_.open(client);
    }

    void answered(unsigned client) {
        measured_.count();
        all_.close(client);
        if (measured_.has_begun()) measured_.record(now() - starts_[client]);
        if (!measured_.is_over()) open(client);
    }

    const load_options& wanted_;
    clients& all_;
    interval& measured_;
    std::vector<nanoseconds> starts_;
    clients::on_answer answered_ = [this](unsigned client) { answered(client); };
};

}  // namespace

void churn(const load_options& wanted, clients& all, interval& measured) { loop(wanted, all, measured).run(); }

}  // namespace bench
