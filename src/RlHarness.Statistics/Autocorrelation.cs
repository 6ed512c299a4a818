namespace RlHarness.Statistics;

/// <summary>
/// How much a curve says at all: ρ_k = Σ (x_t − x̄)(x_{t+k} − x̄)/Σ (x_t − x̄)², and the effective number of values n/(1 + 2Σρ) with the sum up to the first
/// negative one, or by Geyer's initial positive and monotone sequences of G_m = ρ_{2m} + ρ_{2m+1}. NaN where a divisor is not positive.
/// </summary>
public sealed record Autocorrelation(
    IReadOnlyList<double> Values,
    double EffectiveFirstNegative,
    double EffectiveInitialPositive,
    double EffectiveInitialMonotone
)
{
    public static Autocorrelation Of(IReadOnlyList<double> values, int lags)
    {
        ArgumentNullException.ThrowIfNull(values);
        Guard.That(values.Count > 1, "two values or more are needed");
        Guard.That(lags >= 0 && lags < values.Count, $"lags from 0 to {values.Count - 1}, not {lags}");
        var n = values.Count;
        var mean = values.Average();
        var varies = values.Any(v => v != values[0]);
        var rho = new double[n];
        var spread = varies ? values.Sum(v => (v - mean) * (v - mean)) : 0;
        for (var k = 0; k < n; k++)
        {
            var sum = 0.0;
            for (var t = 0; t + k < n; t++)
                sum += (values[t] - mean) * (values[t + k] - mean);
            rho[k] = spread > 0 ? sum / spread : double.NaN;
        }

        var before = rho.Skip(1).TakeWhile(r => r >= 0).Sum();
        double positive = 0,
            monotone = 0,
            smallest = double.PositiveInfinity;
        for (var m = 0; (2 * m) + 1 < n; m++)
        {
            var pair = rho[2 * m] + rho[(2 * m) + 1];
            if (!(pair > 0))
                break;
            smallest = Math.Min(smallest, pair);
            (positive, monotone) = (positive + pair, monotone + smallest);
        }

        double Effective(double divisor) => spread > 0 && divisor > 0 ? n / divisor : double.NaN;
        return new(rho[..(lags + 1)], Effective(1 + (2 * before)), Effective((2 * positive) - 1), Effective((2 * monotone) - 1));
    }
}
