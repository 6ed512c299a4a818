namespace RlHarness.Statistics;

/// <summary>
/// A rate from few labels and many predictions of a detector. PPI: mean(f̃) + mean(Y − f), variance var(f̃)/N + var(Y−f)/n (Angelopoulos et al. 2023).
/// PPI++: λ f in place of f, λ = cov(Y, f)/((1 + n/N) var(f)) clipped into [0, 1] (2311.01453), NaN where predictions do not vary.
/// </summary>
public sealed record PredictionPowered(double Classical, double ClassicalError, double Ppi, double PpiError, double Lambda, double PpiPlus, double PpiPlusError)
{
    public static PredictionPowered Mean(IReadOnlyList<double> labels, IReadOnlyList<double> predictions, IReadOnlyList<double> unlabelledPredictions)
    {
        ArgumentNullException.ThrowIfNull(labels);
        ArgumentNullException.ThrowIfNull(predictions);
        ArgumentNullException.ThrowIfNull(unlabelledPredictions);
        Guard.SameLength(labels.Count, predictions.Count, "labels and predictions");
        Guard.That(labels.Count > 0, "no labels");
        Guard.That(unlabelledPredictions.Count > 0, "no unlabelled predictions");
        double n = labels.Count,
            big = unlabelledPredictions.Count,
            my = labels.Average(),
            mf = predictions.Average();
        static double Variance(IEnumerable<double> x)
        {
            var list = x.ToList();
            var mean = list.Average();
            return list.Sum(v => (v - mean) * (v - mean)) / list.Count;
        }

        (double, double) With(double lambda) =>
            (
                (lambda * unlabelledPredictions.Average()) + labels.Zip(predictions, (y, f) => y - (lambda * f)).Average(),
                Math.Sqrt((lambda * lambda * Variance(unlabelledPredictions) / big) + (Variance(labels.Zip(predictions, (y, f) => y - (lambda * f))) / n))
            );

        var covariance = labels.Zip(predictions, (y, f) => (y - my) * (f - mf)).Sum() / n;
        var spread = Variance(predictions.Concat(unlabelledPredictions)) * (n + big) / (n + big - 1);
        var lambda = spread > 0 ? Math.Clamp(covariance / ((1 + (n / big)) * spread), 0, 1) : double.NaN;
        var (ppi, ppiError) = With(1);
        var (plus, plusError) = With(lambda);
        return new(my, Math.Sqrt(Variance(labels) / n), ppi, ppiError, lambda, plus, plusError);
    }

    public Interval ClassicalInterval(double confidence = 0.95) => Interval.Around(Classical, Normal.Z(confidence) * ClassicalError);

    public Interval PpiInterval(double confidence = 0.95) => Interval.Around(Ppi, Normal.Z(confidence) * PpiError);

    public Interval PpiPlusInterval(double confidence = 0.95) => Interval.Around(PpiPlus, Normal.Z(confidence) * PpiPlusError);
}

/// <summary>
/// Prediction-powered estimate of a rate from yes/no labels and yes/no predictions: p̃ + (fn − fp)/n, p̃ the share that the detector calls positive, fn and fp
/// its errors on the n labelled ones. With p̃ of transcripts without a label it is PPI's mean (arXiv 2301.09633), with p̃ of all the difference estimator of
/// survey sampling (Cochran 1977, § 7.2: regression estimate with slope 1), which also holds for just these transcripts. Without bias whatever the
/// detector is worth.
/// The normal interval of <see cref="PredictionPowered"/> is far too short where a good detector makes no or one error in the sample: its rectifier then seems
/// to have no variance. Here the limits of both parts, Wilson's for p̃ and Tango's for the paired difference, are put together by MOVER (Zou and Donner 2008):
/// estimate − √((p̃−l₁)² + (Δ−l₂)²), estimate + √((u₁−p̃)² + (u₂−Δ)²). It takes the parts as independent. With p̃ of all they are not: where the
/// detector calls,
/// it can only err by calling too much, so their covariance is below 0, and the interval is a little too wide.
/// </summary>
/// <param name="Estimate">Clipped into [0, 1], as the interval is; what is printed.</param>
/// <param name="Unclipped">Without bias; what an average over runs should use.</param>
public sealed record PredictionPoweredRate(double Estimate, double Unclipped, Interval Interval)
{
    /// <summary>None where the whole of it lay beyond 0 to 1.</summary>
    public Interval PrintedInterval => Interval.OrNone;

    /// <param name="predicted">Positive calls.</param>
    /// <param name="calls">Of so many: those without a label, or all.</param>
    /// <param name="designEffect">How much wider squared limits become because samples of one query resemble each other; 1 for one sample a query.</param>
    public static PredictionPoweredRate Of(
        long falseNegatives,
        long falsePositives,
        long labelled,
        long predicted,
        long calls,
        double confidence = 0.95,
        double designEffect = 1
    )
    {
        Guard.Counts(falseNegatives + falsePositives, labelled);
        Guard.Counts(predicted, calls);
        Guard.That(falseNegatives >= 0 && falsePositives >= 0, $"a count is negative: {falseNegatives}, {falsePositives}");
        Guard.That(designEffect > 0, $"a design effect above 0, not {designEffect}");
        double rate = predicted / (double)calls,
            rectifier = (falseNegatives - falsePositives) / (double)labelled,
            wider = Math.Sqrt(designEffect);
        var first = Proportion.Wilson(predicted, calls, confidence);
        var second = PairedProportions.TangoInterval(falseNegatives, falsePositives, labelled, Normal.Z(confidence));
        var unclipped = rate + rectifier;
        static double Norm(double a, double b) => Math.Sqrt((a * a) + (b * b));
        var interval = new Interval(
            unclipped - (wider * Norm(rate - first.Low, rectifier - second.Low)),
            unclipped + (wider * Norm(first.High - rate, second.High - rectifier))
        );
        return new(Math.Clamp(unclipped, 0, 1), unclipped, interval.Clip(0, 1));
    }
}
