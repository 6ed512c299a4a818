namespace RlHarness.Training.Optimization;

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
