"""Each rule of the bucket's Lua scripts, one test a rule, on a real server whose clock the test turns."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from support.fakes.limiter_bucket import SteeredBucket

HOLD_S = 10.0 + 30.0 + 0.5
FLOOR_S = 2.0 + HOLD_S


@pytest.fixture
def bucket(redis_url: str) -> Iterator[SteeredBucket]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield SteeredBucket(client)


def test_a_permit_without_an_answer_holds_its_slot_for_the_latest_arrival_plus_the_window(
    bucket: SteeredBucket,
) -> None:
    bucket.init(1, 30)
    bucket.acquire()
    bucket.now_s = HOLD_S - 2.0001
    assert bucket.acquire().permits == []
    bucket.now_s = HOLD_S - 2
    assert bucket.acquire().at_s == [HOLD_S]


def test_an_answer_frees_the_slot_one_window_after_it(bucket: SteeredBucket) -> None:
    bucket.init(1, 30)
    permit = bucket.acquire().permits[0]
    bucket.now_s = 0.5
    bucket.acquire(0, answered=[(permit.id, 0.1)])
    assert bucket.free_at_s() == [30.4]


def test_an_answer_never_frees_a_slot_later_than_its_own_hold(bucket: SteeredBucket) -> None:
    bucket.init(1, 30)
    permit = bucket.acquire().permits[0]
    bucket.now_s = 20.0
    bucket.acquire(0, answered=[(permit.id, 0.0)])
    assert bucket.free_at_s() == [HOLD_S]


def test_a_late_answer_does_not_free_the_slot_of_the_next_permit(bucket: SteeredBucket) -> None:
    bucket.init(1, 30)
    first = bucket.acquire().permits[0]
    bucket.now_s = HOLD_S
    second = bucket.acquire().permits[0]
    bucket.acquire(0, answered=[(first.id, HOLD_S - 1)])
    assert bucket.free_at_s() == [HOLD_S + second.at_s]


def test_an_answer_from_before_a_loss_frees_nothing_though_counters_repeat(bucket: SteeredBucket) -> None:
    bucket.init(1, 30)
    before = bucket.acquire().permits[0]
    bucket.client.flushdb()
    bucket.init(1, 30)
    after = bucket.acquire().permits[0]
    assert before.id.split(".")[1] == after.id.split(".")[1]
    bucket.acquire(0, answered=[(before.id, 0.0)])
    assert bucket.free_at_s() == [HOLD_S]


def test_a_permit_never_sent_leaves_its_slot_as_it_was(bucket: SteeredBucket) -> None:
    bucket.init(1, 30)
    first = bucket.acquire().permits[0]
    bucket.acquire(0, answered=[(first.id, 0.0)])
    bucket.now_s = 29.0
    unsent = bucket.acquire().permits
    bucket.acquire(0, unsent=unsent)
    bucket.acquire(0, unsent=unsent)
    assert bucket.free_at_s() == [30.0]


def test_a_permit_cancelled_after_its_slot_moved_on_changes_nothing(bucket: SteeredBucket) -> None:
    bucket.init(1, 30)
    unsent = bucket.acquire().permits
    bucket.acquire(0, unsent=unsent)
    bucket.acquire()
    bucket.acquire(0, unsent=unsent)
    assert bucket.free_at_s() == [HOLD_S]


def test_only_a_short_time_ahead_is_reserved(bucket: SteeredBucket) -> None:
    bucket.init(1, 30)
    bucket.acquire(0, answered=[(bucket.acquire().permits[0].id, 0.0)])
    bucket.now_s = 27.0
    reply = bucket.acquire()
    assert (reply.permits, reply.wait_s, bucket.free_at_s()) == ([], 1.0, [30.0])
    bucket.now_s = 28.0
    assert bucket.acquire().at_s == [30.0]


@pytest.mark.parametrize(("window_s", "horizon_s"), [(1, 0.1), (20, 2), (600, 2)])
def test_the_horizon_is_a_tenth_of_the_window_and_at_most_two_seconds(
    bucket: SteeredBucket, window_s: float, horizon_s: float
) -> None:
    bucket.init(1, window_s)
    bucket.acquire(0, answered=[(bucket.acquire().permits[0].id, 0.0)])
    bucket.now_s = window_s - horizon_s
    assert bucket.acquire().at_s == [window_s]


@pytest.mark.parametrize(("window_s", "wait_s"), [(4, 2), (3600, 10)])
def test_nobody_is_sent_away_for_longer_than_half_a_window_or_ten_seconds(
    bucket: SteeredBucket, window_s: float, wait_s: float
) -> None:
    bucket.init(1, window_s)
    bucket.acquire()
    assert bucket.acquire().wait_s == wait_s


def test_everybody_is_told_the_same_instant(bucket: SteeredBucket) -> None:
    bucket.init(1, 30)
    bucket.acquire(0, answered=[(bucket.acquire().permits[0].id, 0.0)])
    bucket.now_s = 20.0
    first = bucket.acquire().wait_s
    bucket.now_s = 21.0
    second = bucket.acquire(4).wait_s
    assert (first, second) == (8.0, 7.0)


def test_even_grants_are_nine_tenths_of_their_share_apart(bucket: SteeredBucket) -> None:
    bucket.init(10, 10, even=True)
    assert bucket.acquire(3).at_s == [0.0, 0.9]
    bucket.now_s = 0.8
    assert bucket.acquire(3).at_s == [1.8]


def test_burst_grants_come_together(bucket: SteeredBucket) -> None:
    bucket.init(10, 10)
    assert bucket.acquire(20).at_s == [0.0] * 10


def test_the_slot_that_is_free_first_is_taken_first(bucket: SteeredBucket) -> None:
    bucket.init(2, 30)
    one, two = bucket.acquire(2).permits
    bucket.acquire(0, answered=[(two.id, 0.0)])
    bucket.now_s = 3.0
    bucket.acquire(0, answered=[(one.id, 0.0)])
    bucket.now_s = 30.0
    assert bucket.acquire().at_s == [30.0]
    assert bucket.free_at_s() == [33.0, 30 + HOLD_S]


def test_a_smaller_limit_grants_only_while_fewer_than_it_are_taken(bucket: SteeredBucket) -> None:
    bucket.init(3, 30)
    for begin_s, permit in zip((1.0, 2.0, 3.0), bucket.acquire(3).permits, strict=True):
        bucket.now_s = begin_s
        bucket.acquire(0, answered=[(permit.id, 0.0)])
    bucket.bring(1, 30)
    bucket.now_s = 31.5
    assert bucket.acquire().at_s == [33.0]


def test_surplus_slots_go_once_they_are_free(bucket: SteeredBucket) -> None:
    bucket.init(3, 30)
    bucket.acquire(2)
    bucket.bring(1, 30)
    bucket.acquire()
    assert len(bucket.free_at_s()) == 2
    bucket.now_s = 100.0
    bucket.acquire()
    assert len(bucket.free_at_s()) == 1


def test_a_larger_limit_adds_slots_that_are_free_one_window_after_the_change(bucket: SteeredBucket) -> None:
    bucket.init(1, 30)
    bucket.acquire()
    bucket.now_s = 5.0
    bucket.bring(3, 30)
    assert bucket.free_at_s() == [35.0, 35.0, HOLD_S]


def test_a_surplus_slot_that_is_free_does_not_serve_a_raised_limit_at_once(bucket: SteeredBucket) -> None:
    bucket.init(3, 30)
    bucket.bring(1, 30)
    bucket.bring(3, 30)
    assert len(bucket.acquire(3).permits) == 1


def test_a_longer_window_moves_every_slot_and_the_floor(bucket: SteeredBucket) -> None:
    bucket.init(2, 30, fresh=False)
    bucket.bring(2, 40)
    assert bucket.free_at_s() == [FLOOR_S + 10, FLOOR_S + 10]
    bucket.now_s = FLOOR_S + 9
    assert bucket.acquire().at_s == [FLOOR_S + 10]


def test_a_longer_window_counts_from_arrivals_before_the_change(bucket: SteeredBucket) -> None:
    bucket.init(1, 30)
    bucket.acquire(0, answered=[(bucket.acquire().permits[0].id, 0.0)])
    bucket.now_s = 20.0
    bucket.bring(1, 60)
    assert bucket.free_at_s() == [60.0]


def test_a_cancelled_permit_from_before_a_longer_window_restores_the_moved_slot(bucket: SteeredBucket) -> None:
    bucket.init(1, 30)
    bucket.acquire(0, answered=[(bucket.acquire().permits[0].id, 0.0)])
    bucket.now_s = 29.0
    unsent = bucket.acquire().permits
    bucket.bring(1, 60)
    bucket.acquire(0, unsent=unsent)
    assert bucket.free_at_s() == [60.0]


def test_a_shorter_window_wastes_nothing_but_does_not_lower_the_floor(bucket: SteeredBucket) -> None:
    bucket.init(1, 3600)
    bucket.acquire(0, answered=[(bucket.acquire().permits[0].id, 0.0)])
    bucket.bring(1, 30)
    assert bucket.free_at_s() == [30.0]
    bucket.client.flushdb()
    bucket.init(1, 3600, fresh=False)
    bucket.bring(1, 30)
    assert bucket.free_at_s() == [3612.5]


def test_a_shorter_timeout_does_not_cut_the_hold_of_requests_under_the_longer_one(bucket: SteeredBucket) -> None:
    bucket.init(1, 30, 60.0)
    bucket.acquire()
    bucket.now_s = 5.0
    bucket.bring(1, 30, 1.0)
    bucket.now_s = 4.0  # Even where the clock steps back, which clamps what is ahead.
    bucket.acquire()
    assert bucket.free_at_s() == [90.5]


def test_a_row_read_before_another_configuration_does_not_undo_it(bucket: SteeredBucket) -> None:
    bucket.init(10, 30)
    bucket.now_s = 2.0
    bucket.bring(5, 30)
    reply = bucket.bring(10, 30, read_s=1.0)
    assert reply[5] == 5


def test_bringing_the_same_row_again_changes_nothing(bucket: SteeredBucket) -> None:
    bucket.init(2, 30)
    bucket.acquire()
    before = bucket.free_at_s()
    bucket.bring(2, 30)
    bucket.bring(2, 30)
    assert bucket.free_at_s() == before


def test_nothing_is_granted_inside_a_freeze(bucket: SteeredBucket) -> None:
    bucket.init(10, 30)
    epoch, until_s = bucket.freeze(5.0)
    reply = bucket.acquire()
    assert (epoch, until_s) == (1, 5.0)
    assert (reply.permits, reply.wait_s, reply.epoch, reply.frozen_s) == ([], 3.0, 1, 5.0)
    bucket.now_s = 4.0
    assert bucket.acquire().at_s == [5.0]


def test_a_shorter_freeze_does_not_end_a_longer_one(bucket: SteeredBucket) -> None:
    bucket.init(10, 30)
    bucket.freeze(3600.0)
    assert bucket.freeze(5.0) == (2, 3600.0)


def test_429s_that_go_on_double_the_freeze(bucket: SteeredBucket) -> None:
    bucket.init(10, 30)
    until_s, lasted = 0.0, []
    for _ in range(8):
        bucket.now_s = until_s + 1
        _, until_s = bucket.freeze()
        lasted.append(until_s - bucket.now_s)
    assert lasted == [30, 60, 120, 240, 480, 960, 1920, 3600]


@pytest.mark.parametrize(("asked_s", "expected"), [(1.0, [1, 60, 120]), (100.0, [100, 100, 120, 240])])
def test_from_the_second_429_in_a_row_the_longer_of_what_it_asks_for_and_the_doubling_counts(
    bucket: SteeredBucket, asked_s: float, expected: list[float]
) -> None:
    bucket.init(10, 30)
    until_s, lasted = 0.0, []
    for _ in expected:
        bucket.now_s = until_s + 1
        _, until_s = bucket.freeze(asked_s)
        lasted.append(until_s - bucket.now_s)
    assert lasted == expected


def test_a_success_after_a_freeze_makes_the_next_429_the_first_again(bucket: SteeredBucket) -> None:
    bucket.init(10, 30)
    for now_s, until_s in ((0.0, 1.0), (2.0, 3.0)):
        bucket.now_s = now_s
        epoch, freeze_ends_s = bucket.freeze(1.0)
        bucket.call("bucket_succeeded", epoch)
        assert freeze_ends_s == until_s


def test_a_success_of_a_request_from_before_the_freeze_says_nothing_of_it(bucket: SteeredBucket) -> None:
    bucket.init(10, 30)
    epoch, _ = bucket.freeze(1.0)
    bucket.call("bucket_succeeded", epoch - 1)
    bucket.now_s = 2.0
    assert bucket.freeze(1.0)[1] == 62.0


def test_a_429_to_a_request_from_before_a_freeze_that_is_over_does_not_double_it(bucket: SteeredBucket) -> None:
    bucket.init(10, 30)
    epoch, _ = bucket.freeze(1.0)
    bucket.now_s = 2.0
    assert bucket.freeze(1.0, sent_epoch=epoch - 1)[1] == 3.0


def test_429s_of_requests_sent_before_a_freeze_are_one_event(bucket: SteeredBucket) -> None:
    bucket.init(10, 30)
    bucket.freeze()
    bucket.now_s = 0.2
    assert bucket.freeze() == (2, 30.2)


def test_a_429_long_after_the_last_freeze_begins_anew(bucket: SteeredBucket) -> None:
    bucket.init(10, 30)
    bucket.freeze()
    bucket.now_s = 30 + 30 + 10.001
    assert bucket.freeze()[1] == pytest.approx(100.001)


def test_unfreeze_lifts_the_freeze_and_raises_the_epoch(bucket: SteeredBucket) -> None:
    bucket.init(10, 30)
    bucket.freeze(3600.0)
    bucket.call("bucket_unfreeze", 0)
    reply = bucket.acquire()
    assert (reply.at_s, reply.epoch) == ([0.0], 2)


def test_unfreeze_never_touches_the_floor(bucket: SteeredBucket) -> None:
    bucket.init(10, 30, fresh=False)
    bucket.freeze(3600.0)
    bucket.call("bucket_unfreeze", 0)
    assert bucket.acquire().permits == []


def test_the_higher_epoch_wins_and_on_a_tie_the_later_freeze(bucket: SteeredBucket) -> None:
    bucket.init(10, 30, epoch=3, frozen_s=50.0)
    assert bucket.bring(10, 30, epoch=2, frozen_s=90.0)[2:4] == bucket.bring(10, 30, epoch=3, frozen_s=40.0)[2:4]
    bucket.bring(10, 30, epoch=3, frozen_s=60.0)
    assert bucket.acquire().frozen_s == 60.0
    bucket.bring(10, 30, epoch=4, frozen_s=1.0)
    assert (bucket.acquire().epoch, bucket.acquire().frozen_s) == (4, 1.0)


def test_a_freeze_rises_above_the_ledgers_epoch(bucket: SteeredBucket) -> None:
    bucket.init(10, 30)
    assert bucket.freeze(5.0, epoch=7)[0] == 8


def test_an_unknown_bucket_grants_nothing(bucket: SteeredBucket) -> None:
    assert bucket.acquire().kind == "unknown"
    assert bucket.call("bucket_freeze", 1, 1, 1, 0, 0)[0] == "unknown"
    assert bucket.call("bucket_reconcile", 604800)[0] == "unknown"


def test_a_bucket_made_again_grants_nothing_until_what_may_be_on_its_way_has_passed(bucket: SteeredBucket) -> None:
    bucket.init(10, 30, fresh=False)
    bucket.now_s = FLOOR_S - 2.001
    assert bucket.acquire().permits == []
    bucket.now_s = FLOOR_S - 2
    assert bucket.acquire().at_s == [FLOOR_S]


@pytest.mark.parametrize("step_back_s", [0.0, 100_000.0])
def test_a_bucket_made_again_waits_for_permits_of_the_longest_timeout_that_ever_was(
    bucket: SteeredBucket, step_back_s: float
) -> None:
    floor_s = FLOOR_S + 50.0
    bucket.init(10, 30, timeout_s=10.0, longest_s=60.0, fresh=False)
    bucket.now_s = -step_back_s
    bucket.acquire()
    bucket.now_s = floor_s - step_back_s - 2.001
    assert bucket.acquire().permits == []
    bucket.now_s = floor_s - step_back_s - 2
    assert bucket.acquire().at_s == [floor_s - step_back_s]


def test_only_the_inserter_of_the_row_starts_free(bucket: SteeredBucket) -> None:
    bucket.init(10, 30, fresh=True)
    assert bucket.acquire().at_s == [0.0]


def test_the_inserter_starts_free_where_somebody_else_came_first_with_a_floor(bucket: SteeredBucket) -> None:
    bucket.init(10, 30, fresh=False)
    bucket.now_s = 0.5
    assert bucket.init(10, 30, fresh=True, asked_s=0.0) == "made"
    assert bucket.acquire().at_s == [0.5]


def test_the_inserter_does_not_start_over_where_permits_were_granted(bucket: SteeredBucket) -> None:
    bucket.init(10, 30, fresh=True)
    bucket.acquire()
    assert bucket.init(10, 30, fresh=True) == "known"


def test_an_initialiser_that_slept_is_refused(bucket: SteeredBucket) -> None:
    bucket.now_s = 1.000001
    assert bucket.init(10, 30, asked_s=0.0) == "late"


def test_an_initialiser_that_asked_another_server_is_refused(bucket: SteeredBucket) -> None:
    assert bucket.init(10, 30, run="another") == "late"


def test_a_known_bucket_is_not_made_again(bucket: SteeredBucket) -> None:
    bucket.init(10, 30, fresh=False)
    assert bucket.init(5, 30, fresh=False) == "known"


def test_the_rows_freeze_comes_back_with_the_bucket(bucket: SteeredBucket) -> None:
    bucket.init(10, 30, epoch=5, frozen_s=72_000.0, fresh=False)
    assert (bucket.acquire().epoch, bucket.acquire().frozen_s) == (5, 72_000.0)


def test_a_freeze_that_only_a_snapshot_remembers_is_kept(bucket: SteeredBucket) -> None:
    bucket.init(10, 30)
    bucket.freeze(3600.0)
    bucket.server.run = "run2"
    bucket.init(10, 30, fresh=False)
    assert (bucket.acquire().epoch, bucket.acquire().frozen_s) == (1, 3600.0)


@pytest.mark.parametrize("lost", [0, 1])
def test_marker_and_slots_are_lost_together(bucket: SteeredBucket, lost: int) -> None:
    bucket.init(10, 30)
    bucket.acquire(3)
    bucket.client.delete(bucket.server.keys[lost])
    assert bucket.acquire().kind == "unknown"
    assert bucket.bring(20, 30)[0] == "unknown"
    assert bucket.init(10, 30, fresh=False) == "made"
    assert bucket.acquire().permits == []


def test_the_memory_of_another_server_run_is_not_trusted(bucket: SteeredBucket) -> None:
    bucket.init(10, 30)
    bucket.acquire(3)
    bucket.server.run = "run2"
    bucket.now_s = 0.01
    assert bucket.acquire().kind == "unknown"
    assert bucket.init(10, 30, fresh=False) == "made"
    assert bucket.acquire().permits == []


def test_a_clock_that_steps_back_stalls_no_longer_than_a_lost_memory(bucket: SteeredBucket) -> None:
    bucket.init(2, 30)
    bucket.acquire(2)
    bucket.now_s = -100_000.0
    bucket.acquire()
    assert bucket.free_at_s() == [-100_000 + FLOOR_S] * 2


def test_a_clock_that_steps_back_does_not_stall_the_spacing(bucket: SteeredBucket) -> None:
    bucket.init(10, 30, even=True)
    bucket.acquire()
    bucket.now_s = -100_000.0
    bucket.acquire()
    bucket.now_s = -100_000 + FLOOR_S
    assert bucket.acquire().at_s == [-100_000 + FLOOR_S]


def test_a_clock_that_steps_back_clamps_the_floor(bucket: SteeredBucket) -> None:
    bucket.init(10, 30, fresh=False)
    bucket.now_s = -100_000.0
    bucket.acquire()
    bucket.now_s = -100_000 + FLOOR_S - 2
    assert bucket.acquire().at_s == [-100_000 + FLOOR_S]


def test_an_answer_counts_right_over_a_step_back(bucket: SteeredBucket) -> None:
    bucket.init(1, 30)
    permit = bucket.acquire().permits[0]
    bucket.now_s = -50.0
    bucket.acquire(0, answered=[(permit.id, 0.2)])
    assert bucket.free_at_s() == [pytest.approx(-20.2)]


def test_another_layout_is_refused_by_name(bucket: SteeredBucket) -> None:
    bucket.init(1, 30)
    bucket.client.hset(bucket.server.keys[1], "layout", "2")
    assert bucket.acquire().kind == "layout"
    assert bucket.init(1, 30) == "layout"


def test_many_answers_and_many_permits_fit_one_call(bucket: SteeredBucket) -> None:
    bucket.init(5000, 30)
    permits = [permit for _ in range(50) for permit in bucket.acquire(100).permits]
    bucket.now_s = 1.0
    bucket.acquire(0, answered=[(permit.id, 0.0) for permit in permits])
    assert set(bucket.free_at_s()) == {31.0}


def test_the_keys_expire_together_long_after_the_last_comparison(bucket: SteeredBucket) -> None:
    bucket.init(1, 30)
    bucket.acquire()
    lives_s = [bucket.client.ttl(key) for key in bucket.server.keys]
    assert min(lives_s) > 6 * 24 * 3600


def test_a_large_limit_takes_no_memory_before_it_is_used(bucket: SteeredBucket) -> None:
    bucket.init(100_000, 30)
    bucket.acquire(100)
    assert bucket.client.zcard(bucket.server.keys[0]) == 100


def test_slots_nobody_took_yet_are_no_sign_of_lost_ones(bucket: SteeredBucket) -> None:
    bucket.init(10, 30)
    bucket.acquire(4)
    assert len(bucket.acquire(10).permits) == 6


def test_surplus_slots_nobody_took_yet_go_first(bucket: SteeredBucket) -> None:
    bucket.init(10, 30)
    bucket.acquire(2)
    bucket.bring(3, 30)
    assert len(bucket.acquire(5).permits) == 1
