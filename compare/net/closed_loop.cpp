// SPDX-License-Identifier: MIT
#include <cstdint>
#include <vector>

#include "modes.hpp"
#include "run_measured.hpp"

namespace bench {

namespace {

class loop {
public:
    loop(const load_options& wanted, clients& all, interval& measured)
        : wanted_(wanted), all_(all), measured_(measured), starts_(wanted.connections * wanted.depth) {}

    void run() {
        all_.open_all(wanted_.connections);
        const unsigned active = wanted_.active != 0 ? wanted_.active : wanted_.connections;
        moves_on_ = active < wanted_.connections;
        for (next_ = 0; next_ < active; ++next_) {
            for (std::size_t i = 0; i < wanted_.depth; ++i) begin(next_);
            all_.flush(next_);
        }
        run_measured(wanted_, all_, measured_, answered_);
    }

private:
    void answered(unsigned client) {
        measured_.count();
        if (measured_.has_begun()) measured_.record(all_.time() - start_of(client, all_.answered(client) - 1));
        if (measured_.is_over()) return;
        if (!moves_on_) return begin(client);
        const auto next = next_idle();
        begin(next);
        all_.flush(next);
    }

    void begin(unsigned client) {
        start_of(client, all_.answered(client) + all_.in_flight(client)) = all_.time();
        all_.begin(client);
    }

    nanoseconds& start_of(unsigned client, std::uint64_t request) {
        return starts_[client * wanted_.depth + request % wanted_.depth];
    }

    unsigned next_idle() {
        do next_ = (next_ + 1) % wanted_.connections;
        while (all_.in_flight(next_) > 0);
        return next_;
    }

    const load_options& wanted_;
    clients& all_;
    interval& measured_;
    std::vector<nanoseconds> starts_;  // of requests in flight: `depth` per connection, by request number % depth
    clients::on_answer answered_ = [this](unsigned client) { answered(client); };
    bool moves_on_ = false;
    unsigned next_ = 0;
};

}  // namespace

void closed_loop(const load_options& wanted, clients& all, interval& measured) { loop(wanted, all, measured).run(); }

}  // namespace bench
