using MathNet.Numerics.LinearAlgebra;

namespace RlHarness.Statistics;

/// <summary>
/// Log odds of an outcome on the step with a normal intercept for each query, by maximum likelihood: ℓ = Σ_q log ∫ Π_i P(y_i | β₀ + β₁ x_i + σ z) φ(z) dz,
/// the integral by 121-point Gauss–Hermite quadrature. A second opinion on <see cref="LogisticSlope"/>: its slope is that of one query, not of the average.
/// </summary>
/// <param name="Sigma">Standard deviation of the intercepts; 0 where the likelihood is highest without them, and then no <paramref name="SlopeError"/>.</param>
public sealed record LogisticMixed(double Intercept, double Slope, double Sigma, double LogLikelihood, double SlopeError)
{
    private static readonly Lazy<GaussHermite> Rule = new(() => GaussHermite.Of(121));

    public static LogisticMixed Of(IReadOnlyList<double> steps, IReadOnlyList<int> outcomes, IReadOnlyList<int> clusters)
    {
        var plain = LogisticSlope.Of(steps, outcomes, clusters);
        Guard.That(!plain.Separated, "outcomes are separated: the estimate does not exist");
        // Fitted on centred and scaled steps, as LogisticSlope is.
        double centre = steps.Average(),
            scale = steps.Max() - steps.Min();
        var groups = Enumerable
            .Range(0, steps.Count)
            .GroupBy(i => clusters[i])
            .Select(g => g.Select(i => (X: (steps[i] - centre) / scale, Y: (double)outcomes[i])).ToArray())
            .ToArray();
        double[] start = [plain.Intercept + (plain.Slope * centre), plain.Slope * scale];
        double[]? best = null;
        var highest = double.NegativeInfinity;
        foreach (var sigma in new[] { 0.2, 1, 2 })
        {
            var found = Climb(groups, [.. start, sigma]);
            if (Evaluate(groups, found).LogLikelihood is var reached && reached > highest + 1e-12)
                (best, highest) = (found, reached);
        }

        if (Math.Abs(best![2]) < 1e-3 || highest <= plain.LogLikelihood + 1e-9)
            return new(plain.Intercept, plain.Slope, 0, plain.LogLikelihood, double.NaN);
        var covariance = Solve.Inverse(Information(groups, best));
        return new(
            best[0] - (best[1] * centre / scale),
            best[1] / scale,
            Math.Abs(best[2]),
            highest,
            covariance is null ? double.NaN : Math.Sqrt(covariance[1, 1]) / scale
        );
    }

    /// <summary>Newton's method, with a damping that grows until the likelihood rises.</summary>
    private static double[] Climb((double X, double Y)[][] groups, double[] at)
    {
        var (likelihood, gradient) = Evaluate(groups, at);
        var damping = 1e-3;
        for (var iteration = 0; iteration < 200 && damping < 1e12; iteration++)
        {
            var matrix = Information(groups, at);
            for (var i = 0; i < 3; i++)
                matrix[i, i] += damping * Math.Max(1, Math.Abs(matrix[i, i]));
            if (Solve.Inverse(matrix) is not { } inverse)
            {
                damping *= 10;
                continue;
            }

            var step = Solve.Times(inverse, gradient);
            double[] next = [.. at.Zip(step, (a, s) => a + s)];
            var (reached, slope) = Evaluate(groups, next);
            if (!(reached >= likelihood))
            {
                damping *= 10;
                continue;
            }

            (at, likelihood, gradient, damping) = (next, reached, slope, damping / 10);
            if (step.Max(Math.Abs) < 1e-10)
                break;
        }

        return at;
    }

    /// <summary>Minus the second derivatives, by central differences of the gradient.</summary>
    private static double[,] Information((double X, double Y)[][] groups, double[] at)
    {
        const double h = 1e-5;
        var matrix = new double[3, 3];
        for (var j = 0; j < 3; j++)
        {
            double[] up = [.. at],
                down = [.. at];
            up[j] += h;
            down[j] -= h;
            var (above, below) = (Evaluate(groups, up).Gradient, Evaluate(groups, down).Gradient);
            for (var i = 0; i < 3; i++)
                matrix[i, j] = -(above[i] - below[i]) / (2 * h);
        }

        for (var i = 0; i < 3; i++)
            for (var j = 0; j < i; j++)
                matrix[i, j] = matrix[j, i] = (matrix[i, j] + matrix[j, i]) / 2;
        return matrix;
    }

    private static (double LogLikelihood, double[] Gradient) Evaluate((double X, double Y)[][] groups, double[] at)
    {
        var rule = Rule.Value;
        var total = 0.0;
        var gradient = new double[3];
        var logs = new double[rule.Nodes.Length];
        var slopes = new (double Level, double Along)[rule.Nodes.Length];
        foreach (var group in groups)
        {
            for (var k = 0; k < logs.Length; k++)
            {
                var log = rule.LogWeights[k];
                double level = 0,
                    along = 0;
                foreach (var (x, y) in group)
                {
                    var eta = at[0] + (at[1] * x) + (at[2] * rule.Nodes[k]);
                    var signed = y == 1 ? eta : -eta;
                    log -= signed > 0 ? Math.Log(1 + Math.Exp(-signed)) : Math.Log(1 + Math.Exp(signed)) - signed;
                    var residual = y - (1 / (1 + Math.Exp(-eta)));
                    (level, along) = (level + residual, along + (residual * x));
                }

                (logs[k], slopes[k]) = (log, (level, along));
            }

            var top = logs.Max();
            var sum = logs.Sum(l => Math.Exp(l - top));
            total += top + Math.Log(sum);
            for (var k = 0; k < logs.Length; k++)
            {
                var weight = Math.Exp(logs[k] - top) / sum;
                gradient[0] += weight * slopes[k].Level;
                gradient[1] += weight * slopes[k].Along;
                gradient[2] += weight * slopes[k].Level * rule.Nodes[k];
            }
        }

        return (total, gradient);
    }
}

/// <summary>
/// Nodes and log weights for the mean of a function of a standard normal: eigenvalues and first components of Hermite's Jacobi matrix (Golub and
/// Welsch 1969).
/// </summary>
internal sealed record GaussHermite(double[] Nodes, double[] LogWeights)
{
    public static GaussHermite Of(int points)
    {
        var jacobi = Matrix<double>.Build.Dense(points, points, (i, j) => Math.Abs(i - j) == 1 ? Math.Sqrt(Math.Max(i, j)) : 0);
        var evd = jacobi.Evd(Symmetricity.Symmetric);
        double[] nodes = [.. evd.EigenValues.Select(v => v.Real)];
        return new(nodes, [.. Enumerable.Range(0, points).Select(k => 2 * Math.Log(Math.Abs(evd.EigenVectors[0, k])))]);
    }
}
