using RlHarness.Core.Settings;

namespace RlHarness.Training.Optimization;

/// <summary>Settings of AdamW (Loshchilov and Hutter 2019); all named, none left to a library's default.</summary>
public record AdamWSettings
{
    [Allowed(0, 1, MinExclusive = true)]
    [Meaning("Learning rate at the top of the schedule.")]
    public double LearningRate { get; init; } = 1e-4;

    [Allowed(0, 1, MaxExclusive = true)]
    [Meaning("Decay of the running mean of gradients, AdamW's first moment.")]
    public double Beta1 { get; init; } = 0.9;

    [Allowed(0, 1, MaxExclusive = true)]
    [Meaning("Decay of the running mean of squared gradients, AdamW's second moment.")]
    public double Beta2 { get; init; } = 0.999;

    [Allowed(0, 1, MinExclusive = true)]
    [Meaning("Added to the root of the second moment, so that no update divides by zero.")]
    public double Epsilon { get; init; } = 1e-8;

    [Allowed(0, 10)]
    [Meaning("Decoupled weight decay, applied to matrices and not to norms and biases: each step multiplies them by 1 - learning rate x this.")]
    public double WeightDecay { get; init; }

    [Allowed(0, 1000, MinExclusive = true)]
    [Meaning("Gradients are scaled down to this L2 norm over all parameters of the optimizer where they exceed it; null: they are never clipped.")]
    public double? MaxGradNorm { get; init; } = 1;
}

/// <summary>AdamW with the shape of its learning rate over a stage.</summary>
public sealed record OptimizerSettings : AdamWSettings
{
    [Meaning(
        "Shape of the learning rate after the warm-up. constant: no warm-up and no decay; constant_with_warmup: no decay; linear: falls in equal "
            + "parts and would be 0 after the last step; cosine: falls to 0 along half a cosine."
    )]
    public ScheduleKind Schedule { get; init; } = ScheduleKind.Cosine;

    [Allowed(0, 1)]
    [Meaning(
        "Share of the steps over which the learning rate rises linearly, rounded to whole steps; supervised tuning begins at 0, RL above it. Must "
            + "be left out when schedule is constant."
    )]
    public double Warmup { get; init; } = 0.05;

    /// <summary>Learning rate of a supervised step, 0, 1, … of <paramref name="total"/>, as transformers has it.</summary>
    public double At(int step, int total) => LearningRate * LearningRateSchedule.Factor(Schedule, step, WarmupSteps(total), total);

    /// <summary>Factor on the learning rate of a step of RL; above 0 at every step.</summary>
    public double RlFactor(int step, int total) => LearningRateSchedule.RlFactor(Schedule, step, WarmupSteps(total), total);

    private int WarmupSteps(int total) => (int)Math.Round(Warmup * total);
}

/// <summary>Shape of the learning rate over the optimizer's steps.</summary>
public enum ScheduleKind
{
    Constant,
    ConstantWithWarmup,
    Linear,
    Cosine,
}

/// <summary>Factors on the learning rate, as transformers' <c>get_scheduler</c> gives them.</summary>
internal static class LearningRateSchedule
{
    /// <summary>Factor at step 0, 1, … of <paramref name="total"/>: rises linearly over <paramref name="warmup"/> steps, then as the kind says.</summary>
    public static double Factor(ScheduleKind kind, int step, int warmup, int total)
    {
        if (kind == ScheduleKind.Constant)
            return 1;
        if (step < warmup)
            return (double)step / Math.Max(1, warmup);
        if (kind == ScheduleKind.ConstantWithWarmup)
            return 1;
        var progress = (double)(step - warmup) / Math.Max(1, total - warmup);
        return kind == ScheduleKind.Linear ? Math.Max(0, 1 - progress) : Math.Max(0, 0.5 * (1 + Math.Cos(Math.PI * progress)));
    }

    /// <summary>
    /// Factor at a step of RL: <see cref="Factor"/>, but a warm-up of w steps rises by (step + 1) / (w + 1) and so begins above 0. Steps of RL are few and
    /// dear: with transformers' step / w the first would sample, score and then leave the policy as it was.
    /// </summary>
    public static double RlFactor(ScheduleKind kind, int step, int warmup, int total) =>
        kind != ScheduleKind.Constant && step < warmup ? (step + 1.0) / (warmup + 1) : Factor(kind, step, warmup, total);
}
