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

/// <summary>
/// Logistic model of the 2 × 2 × 2 design; cell index 4 objective + 2 information + scratchpad, coefficients in the order intercept, objective, information,
/// scratchpad, their three pairs, all three. Deviance is against the saturated model; numbers are empty where the estimate does not exist.
/// </summary>
public sealed record FactorialLogistic(
    bool Separated,
    IReadOnlyList<double> Coefficients,
    IReadOnlyList<double> StandardErrors,
    double LogLikelihood,
    double Deviance,
    IReadOnlyList<double> Fitted
)
{
    public IReadOnlyList<double> Z => [.. Coefficients.Zip(StandardErrors, (b, s) => b / s)];

    public IReadOnlyList<double> P => [.. Z.Select(Normal.TwoSided)];

    public static FactorialLogistic Fit(FactorialModel model, IReadOnlyList<long> successes, IReadOnlyList<long> trials)
    {
        FactorialContrasts.Check(successes, trials);
        var terms = model switch
        {
            FactorialModel.Main => 4,
            FactorialModel.TwoWay => 7,
            FactorialModel.Saturated => 8,
            _ => throw new ArgumentOutOfRangeException(nameof(model), model, "main, two-way or saturated"),
        };
        var rows = Enumerable
            .Range(0, 8)
            .Select(cell =>
            {
                double o = (cell >> 2) & 1,
                    i = (cell >> 1) & 1,
                    s = cell & 1;
                return new[] { 1, o, i, s, o * i, o * s, i * s, o * i * s }[..terms];
            })
            .ToList();
        var fit = LogisticFit.Of(rows, [.. successes.Select(x => (double)x)], [.. trials.Select(n => (double)n)]);
        if (fit.Separated)
            return new(true, [], [], double.NaN, double.NaN, []);
        var saturated = 0.0;
        for (var cell = 0; cell < 8; cell++)
        {
            double x = successes[cell],
                n = trials[cell];
            saturated += (x > 0 ? x * Math.Log(x / n) : 0) + (n > x ? (n - x) * Math.Log((n - x) / n) : 0);
        }

        return new(
            false,
            fit.Coefficients,
            [.. LinearSystem.Diagonal(fit.Covariance).Select(Math.Sqrt)],
            fit.LogLikelihood,
            2 * (saturated - fit.LogLikelihood),
            fit.Fitted
        );
    }
}
