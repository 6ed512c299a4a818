using RlHarness.Core.Settings;
using RlHarness.Training.Optimization;

namespace RlHarness.Recipes.Settings;

/// <summary>AdamW and its schedule.</summary>
public sealed record OptimizerSettings
{
    [Allowed(0, 1, MinExclusive = true)]
    public double LearningRate { get; init; } = 1e-4;

    public ScheduleKind Schedule { get; init; } = ScheduleKind.Cosine;

    [Allowed(0, 1)]
    [Meaning("Share of the steps over which the learning rate rises.")]
    public double Warmup { get; init; } = 0.05;

    [Allowed(0, 10)]
    public double WeightDecay { get; init; }

    [Allowed(0, 1000, MinExclusive = true)]
    public double MaxGradNorm { get; init; } = 1;

    [Allowed(0, 1, MaxExclusive = true)]
    public double Beta1 { get; init; } = 0.9;

    [Allowed(0, 1, MaxExclusive = true)]
    public double Beta2 { get; init; } = 0.999;

    [Allowed(0, 1, MinExclusive = true)]
    public double Epsilon { get; init; } = 1e-8;

    public AdamWSettings ToAdamW() =>
        new()
        {
            LearningRate = LearningRate,
            WeightDecay = WeightDecay,
            MaxGradNorm = MaxGradNorm,
            Beta1 = Beta1,
            Beta2 = Beta2,
            Epsilon = Epsilon,
        };

    /// <summary>Learning rate at a step.</summary>
    public double At(int step, int total) => LearningRate * Factor(step, total);

    public double Factor(int step, int total) => LearningRateSchedule.Factor(Schedule, step, (int)Math.Round(Warmup * total), total);
}

/// <summary>Low-rank adapters in place of full tuning.</summary>
public sealed record AdapterSettings
{
    [Allowed(1, 4096)]
    public int Rank { get; init; } = 16;

    [Allowed(0, 100000, MinExclusive = true)]
    public double Alpha { get; init; } = 32;

    [Meaning("Projections by name, or all-linear.")]
    public IReadOnlyList<string> TargetModules { get; init; } = ["all-linear"];
}
