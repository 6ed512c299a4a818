namespace RlHarness.Statistics;

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
