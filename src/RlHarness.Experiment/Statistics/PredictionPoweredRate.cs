namespace RlHarness.Experiment.Statistics;

/// <summary>
/// Prediction-powered estimate of a rate from yes/no labels and yes/no predictions: p̃ + (fn − fp)/n, p̃ the share that the detector calls positive among
/// transcripts without a label, fn and fp its errors on the n labelled ones. It is PPI's mean (arXiv 2301.09633) and without bias whatever the detector is worth.
/// The normal interval of <see cref="PredictionPowered"/> is far too short where a good detector makes no or one error in the sample: its rectifier then seems
/// to have no variance. Here the limits of both parts, Wilson's for p̃ and Tango's for the paired difference, are put together by MOVER (Zou and Donner 2008):
/// estimate − √((p̃−l₁)² + (Δ−l₂)²), estimate + √((u₁−p̃)² + (u₂−Δ)²).
/// </summary>
/// <param name="Estimate">Clipped into [0, 1], as the interval is.</param>
/// <param name="Unclipped">Without bias; what an average over runs should use.</param>
public sealed record PredictionPoweredRate(double Estimate, double Unclipped, Interval Interval)
{
    /// <param name="designEffect">How much wider squared limits become because samples of one query resemble each other; 1 for one sample a query.</param>
    public static PredictionPoweredRate Of(long falseNegatives, long falsePositives, long labelled, long predicted, long unlabelled, double confidence = 0.95, double designEffect = 1)
    {
        Demand.Counts(falseNegatives + falsePositives, labelled);
        Demand.Counts(predicted, unlabelled);
        Demand.That(falseNegatives >= 0 && falsePositives >= 0, $"a count is negative: {falseNegatives}, {falsePositives}");
        Demand.That(designEffect > 0, $"a design effect above 0, not {designEffect}");
        double rate = predicted / (double)unlabelled, rectifier = (falseNegatives - falsePositives) / (double)labelled, wider = Math.Sqrt(designEffect);
        var first = Proportion.Wilson(predicted, unlabelled, confidence);
        var second = PairedProportions.TangoInterval(falseNegatives, falsePositives, labelled, Normal.Z(confidence));
        var unclipped = rate + rectifier;
        static double Norm(double a, double b) => Math.Sqrt((a * a) + (b * b));
        var interval = new Interval(unclipped - (wider * Norm(rate - first.Low, rectifier - second.Low)), unclipped + (wider * Norm(first.High - rate, second.High - rectifier)));
        return new(Math.Clamp(unclipped, 0, 1), unclipped, interval.Clip(0, 1));
    }
}
