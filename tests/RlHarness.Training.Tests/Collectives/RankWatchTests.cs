using RlHarness.Training.Collectives;

namespace RlHarness.Training.Tests.Collectives;

/// <summary>By a clock that the test moves: the watch looks once a second of it.</summary>
[Trait("kind", "contract")]
public sealed class RankWatchTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("rlharness-watch-");
    private readonly Seconds _clock = new();
    private readonly List<string> _ends = [];

    public void Dispose() => _folder.Delete(recursive: true);

    private RankWatch Watch(int rank, int size = 3, Seconds? clock = null)
    {
        var watch = new RankWatch(rank, size, _ends.Add, clock ?? _clock, TimeSpan.FromSeconds(600));
        watch.Begin(_folder.FullName);
        return watch;
    }

    [Fact]
    public void A_rank_without_signs_of_life_is_named_within_25_seconds_of_waiting()
    {
        using var first = Watch(0);
        using var second = Watch(1);
        // The third one's clock stands still: it wrote one sign.
        using var dead = Watch(2, clock: new Seconds());
        first.Enter("losses");
        _clock.Pass(25);
        var end = Assert.Single(_ends);
        Assert.Contains($"rank 2 ({Environment.MachineName}, process {Environment.ProcessId}) gives no sign of life", end, StringComparison.Ordinal);
        Assert.Contains("rank 0 waits for losses", end, StringComparison.Ordinal);
        Assert.DoesNotContain("rank 1 ", end, StringComparison.Ordinal);
    }

    [Fact]
    public void The_first_rank_is_looked_at_by_all_others()
    {
        using var dead = Watch(0, clock: new Seconds());
        using var second = Watch(1);
        using var third = Watch(2);
        second.Enter("answers");
        _clock.Pass(25);
        Assert.Contains("rank 0 (", Assert.Single(_ends), StringComparison.Ordinal);
    }

    [Fact]
    public void Ranks_that_live_may_keep_the_others_waiting_until_the_timeout_which_names_those_that_are_behind()
    {
        using var first = Watch(0);
        using var second = Watch(1);
        using var third = Watch(2);
        second.Enter("scores");
        first.Enter("scores");
        _clock.Pass(590);
        Assert.Empty(_ends);
        _clock.Pass(15);
        Assert.Equal(2, _ends.Count);
        Assert.All(_ends, e => Assert.Contains("rank 2 (", e, StringComparison.Ordinal));
        Assert.All(_ends, e => Assert.Contains("has not come in 600 s", e, StringComparison.Ordinal));
    }

    [Fact]
    public void A_wait_that_ended_is_forgotten()
    {
        using var first = Watch(0, size: 2);
        using var dead = Watch(1, size: 2, clock: new Seconds());
        for (var i = 0; i < 10; i++)
        {
            first.Enter("losses");
            _clock.Pass(15);
            first.Leave();
        }

        Assert.Empty(_ends);
    }

    [Fact]
    public void Others_hear_that_the_first_rank_is_failing()
    {
        using var first = Watch(0);
        using var second = Watch(1);
        Assert.False(second.FirstIsFailing());
        first.Failing();
        Assert.True(second.FirstIsFailing());
    }

    [Fact]
    public void Masks_of_processors_overlap_where_they_have_one_in_common()
    {
        Assert.True(RankThreads.Overlap("00000000,00000003", "00000000,00000002"));
        Assert.False(RankThreads.Overlap("00000000,00000001", "00000000,00000002"));
        Assert.False(RankThreads.Overlap("00000001,00000000", "00000000,00000001"));
        Assert.True(RankThreads.Overlap("", "1"));
    }

    /// <summary>A clock that stands still until it is told to pass so many seconds, and then ticks each of them.</summary>
    private sealed class Seconds : TimeProvider
    {
        private readonly List<TimerCallback> _timers = [];
        private long _now;

        public override long TimestampFrequency => 1;

        public override long GetTimestamp() => _now;

        internal void Pass(int seconds)
        {
            for (var i = 0; i < seconds; i++)
            {
                _now++;
                foreach (var timer in _timers.ToArray())
                    timer(null);
            }
        }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            _timers.Add(callback);
            return new Timer(() => _timers.Remove(callback));
        }

        private sealed class Timer(Action end) : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose() => end();

            public ValueTask DisposeAsync()
            {
                end();
                return ValueTask.CompletedTask;
            }
        }
    }
}
