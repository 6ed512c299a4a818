using RlHarness.Training.Optimization;

namespace RlHarness.Training.Tests.Optimization;

[Trait("kind", "arithmetic")]
public sealed class LearningRateScheduleTests
{
    // w = 1: (0 + 1) / 2, then the top. w = 3 of 5: 1/4, 2/4, 3/4.
    [Theory]
    [InlineData(ScheduleKind.ConstantWithWarmup, 1, 4, new[] { 0.5, 1, 1, 1 })]
    [InlineData(ScheduleKind.ConstantWithWarmup, 3, 5, new[] { 0.25, 0.5, 0.75, 1, 1 })]
    [InlineData(ScheduleKind.Linear, 1, 3, new[] { 0.5, 1, 0.5 })]
    [InlineData(ScheduleKind.Cosine, 2, 4, new[] { 1 / 3.0, 2 / 3.0, 1, 0.5 })]
    [InlineData(ScheduleKind.Constant, 2, 3, new[] { 1.0, 1, 1 })]
    [InlineData(ScheduleKind.Linear, 0, 2, new[] { 1, 0.5 })]
    public void A_warm_up_of_RL_begins_above_zero(ScheduleKind kind, int warmup, int total, double[] expected) =>
        Assert.Equal(expected, Enumerable.Range(0, total).Select(step => Math.Round(LearningRateSchedule.RlFactor(kind, step, warmup, total), 12)), Close);

    [Theory]
    [InlineData(ScheduleKind.Constant)]
    [InlineData(ScheduleKind.ConstantWithWarmup)]
    [InlineData(ScheduleKind.Linear)]
    [InlineData(ScheduleKind.Cosine)]
    public void Every_step_of_RL_is_an_update_whatever_the_warm_up(ScheduleKind kind)
    {
        foreach (var total in new[] { 1, 2, 3, 6, 40 })
            foreach (var warmup in new[] { 0, 0.01, 0.1, 0.5, 1 })
            {
                var settings = new OptimizerSettings { Schedule = kind, Warmup = warmup };
                Assert.All(Enumerable.Range(0, total), step => Assert.InRange(settings.RlFactor(step, total), 1e-9, 1));
            }
    }

    [Fact]
    public void The_first_of_six_steps_with_a_tenth_of_warm_up_has_half_the_learning_rate()
    {
        // Six steps with a tenth of warm-up: round(0.6) = 1 step of warm-up, which transformers' convention would spend at a learning rate of 0.
        var settings = new OptimizerSettings { Schedule = ScheduleKind.ConstantWithWarmup, Warmup = 0.1 };
        Assert.Equal([0.5, 1, 1, 1, 1, 1], Enumerable.Range(0, 6).Select(step => settings.RlFactor(step, 6)));
        Assert.Equal(0, settings.At(0, 6));
    }

    private static bool Close(double a, double b) => Math.Abs(a - b) <= 1e-11;
}
