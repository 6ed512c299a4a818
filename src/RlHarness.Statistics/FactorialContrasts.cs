namespace RlHarness.Statistics;

/// <summary>
/// The 2 × 2 × 2 design (conflicting objective, information, scratchpad) on the scale of rates; cell index 4 objective + 2 information + scratchpad,
/// 1 = present.
/// main_x: mean over the other cells with x minus without; did_x_y: (p11 − p10) − (p01 − p00), averaged over the third factor or at one of its levels;
/// three_way: did_objective_information with scratchpad minus without.
/// </summary>
public static class FactorialContrasts
{
    private static readonly string[] Factors = ["objective", "information", "scratchpad"];

    public static IReadOnlyList<Contrast> Of(IReadOnlyList<long> successes, IReadOnlyList<long> trials, double confidence = 0.95)
    {
        Check(successes, trials);
        var z = Normal.Z(confidence);
        var contrasts = new List<Contrast>();
        static double Sign(int cell, int factor) => ((cell >> (2 - factor)) & 1) == 1 ? 1 : -1;
        void Add(string name, Func<int, double> weight)
        {
            double value = 0,
                variance = 0;
            for (var cell = 0; cell < 8; cell++)
            {
                double n = trials[cell],
                    p = successes[cell] / n,
                    w = weight(cell);
                value += w * p;
                variance += w * w * p * (1 - p) / n;
            }

            contrasts.Add(new(name, value, Math.Sqrt(variance), Interval.Around(value, z * Math.Sqrt(variance))));
        }

        for (var f = 0; f < 3; f++)
        {
            var factor = f;
            Add("main_" + Factors[f], cell => Sign(cell, factor) / 4);
        }

        foreach (var (a, b, third) in new[] { (0, 1, 2), (0, 2, 1), (1, 2, 0) })
        {
            var name = $"did_{Factors[a]}_{Factors[b]}";
            Add(name, cell => Sign(cell, a) * Sign(cell, b) / 2);
            foreach (var level in new[] { 0, 1 })
                Add($"{name}_at_{Factors[third]}_{(level == 1 ? '1' : '0')}", cell =>
                    Sign(cell, third) > 0 == (level == 1) ? Sign(cell, a) * Sign(cell, b) : 0
                );
        }

        Add("three_way", cell => Sign(cell, 0) * Sign(cell, 1) * Sign(cell, 2));
        return contrasts;
    }

    internal static void Check(IReadOnlyList<long> successes, IReadOnlyList<long> trials)
    {
        ArgumentNullException.ThrowIfNull(successes);
        ArgumentNullException.ThrowIfNull(trials);
        Guard.That(successes.Count == 8 && trials.Count == 8, $"eight cells are needed, not {successes.Count} and {trials.Count}");
        for (var cell = 0; cell < 8; cell++)
            Guard.Counts(successes[cell], trials[cell]);
    }
}

/// <summary>A weighted sum of rates, Σ w p with variance Σ w² p(1−p)/n; z and p are NaN without variance.</summary>
public sealed record Contrast(string Name, double Value, double StandardError, Interval Interval)
{
    public double Z => StandardError > 0 ? Value / StandardError : double.NaN;

    public double P => Normal.TwoSided(Z);
}

/// <summary>Which interactions of the three factors a model holds.</summary>
public enum FactorialModel
{
    Main,
    TwoWay,
    Saturated,
}
