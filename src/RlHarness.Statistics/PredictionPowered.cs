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
