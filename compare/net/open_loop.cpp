// SPDX-License-Identifier: MIT
#include <random>
#include <vector>

#include "modes.hpp"

namespace bench {

namespace {

/// A Poisson process: the gaps are exponentially distributed, as with many independent users. The seed is fixed, so
/// that all servers receive the same requests at the same times.
std::vector<nanoseconds> arrivals(double rate, double seconds) {
    std::mt19937_64 random(1);  // NOLINT(cert-msc51-cpp): see above
    std::exponential_distribution<double> gap(rate);
    std::vector<nanoseconds> times;
    for (double time = gap(random); time < seconds; time += gap(random)) times.push_back(from_seconds(time));
    return times;
}

class loop {
public:
    loop(const load_options& wanted, clients& all, interval& measured)
        : all_(all),
          measured_(measured),
          connections_(wanted.connections),
          arrivals_(arrivals(wanted.rate, wanted.warmup + wanted.seconds)),
          warm_at_(from_seconds(wanted.warmup)),
          end_at_(from_seconds(wanted.warmup + wanted.seconds)) {}

    void run() {
        all_.open_all(connections_);
        epoch_ = now();
        run_until(warm_at_);
        measured_.begin();
        run_until(end_at_);
        measured_.end();
        all_.drain(answered_);  // includes the slowest requests, which are still in flight at the end of the interval
    }

private:
    /// Polls without sleeping, because waking up would take longer than the gap between two requests.
    void run_until(nanoseconds end) {
        for (auto time = now() - epoch_; time < end; time = now() - epoch_) {
            for (; next_ < arrivals_.size() && arrivals_[next_] <= time; ++next_)
                arrive(static_cast<unsigned>(next_ % connections_));
            all_.look(answered_);
        }
    }

    void arrive(unsigned client) {
        if (all_.in_flight(client) > 0) return;  // answered() sends the request
        all_.begin(client);
        all_.flush(client);
    }

    void answered(unsigned client) {
        measured_.count();
        // Connections take turns, so the arrival of each connection's n-th request (without the first one of open()) is
        // known.
        const auto request = (all_.answered(client) - 2) * connections_ + client;
        if (arrivals_[request] >= warm_at_) measured_.record(all_.time() - epoch_ - arrivals_[request]);
        if (request + connections_ < next_) all_.begin(client);
    }

    clients& all_;
    interval& measured_;
    unsigned connections_;
    std::vector<nanoseconds> arrivals_;  // relative to the epoch
    nanoseconds warm_at_, end_at_;
    nanoseconds epoch_ = 0;
    std::size_t next_ = 0;  // the index of the first future arrival
    clients::on_answer answered_ = [this](unsigned client) { answered(client); };
};

}  // namespace

void open_loop(const load_options& wanted, clients& all, interval& measured) { loop(wanted, all, measured).run(); }

}  // namespace bench
