using RlHarness.Recipes.Running;

namespace RlHarness.Recipes.Tests.Running;

[Trait("kind", "contract")]
public sealed class StageCheckpointsTests(TinyRun tiny) : IClassFixture<TinyRun>
{
    private sealed class Clock : TimeProvider
    {
        public double Seconds { get; set; }

        public override long GetTimestamp() => (long)(Seconds * TimestampFrequency);
    }

    [Theory]
    [InlineData(5, 0)] // four of 5 s in 1,620 s: 1.2 %
    [InlineData(20, 1)] // two of 20 s in 840 s: 4.8 %, which is told once
    public void Checkpoints_that_take_more_than_a_fiftieth_of_the_time_are_told(double seconds, int told)
    {
        using var folder = new TemporaryFolder();
        var (clock, progress) = (new Clock(), new QuietProgress());
        var run = new RunContext(tiny.Context.Settings, tiny.Context.Folder, progress, tiny.Context.Log, tiny.Context.Device, clock, default);
        var checkpoints = new StageCheckpoints(
            run,
            "rl",
            folder.Path,
            there =>
            {
                File.WriteAllText(Path.Combine(there, "weights"), "1");
                clock.Seconds += seconds;
            },
            [],
            _ => true,
            planned => planned.TakeLast(1)
        );
        for (var step = 1; step <= 4; step++)
        {
            clock.Seconds += 400;
            checkpoints.Finished(step);
        }

        Assert.Equal(told, progress.Notes.Count(n => n.Contains("rl: checkpoints have taken 4.8 % of the time so far", StringComparison.Ordinal)));
        Assert.Equal(told, progress.Notes.Count(n => n.Contains("checkpoints have taken", StringComparison.Ordinal)));
    }
}
