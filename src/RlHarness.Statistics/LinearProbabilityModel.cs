namespace RlHarness.Statistics;

/// <summary>
/// Least squares of a 0/1 outcome on columns, an intercept first. HC1² = HC0² n/(n−k); CR1² = CR0² · G/(G−1) · (n−1)/(n−k), p with G − 1 degrees of freedom.
/// Columns that depend on each other, or no more rows than coefficients, are refused.
/// </summary>
internal sealed record LinearProbabilityModel(
    IReadOnlyList<double> Coefficients,
    IReadOnlyList<double> ClassicalErrors,
    IReadOnlyList<double> Hc1,
    int Clusters,
    IReadOnlyList<double> Cr0,
    IReadOnlyList<double> Cr1
)
{
    public IReadOnlyList<double> PNormal => [.. Coefficients.Zip(Cr1, (b, s) => Normal.TwoSided(b / s))];

    public IReadOnlyList<double> PT => [.. Coefficients.Zip(Cr1, (b, s) => Clusters > 1 ? StudentT.TwoSided(b / s, Clusters - 1) : double.NaN)];

    public static LinearProbabilityModel Fit(IReadOnlyList<double> outcomes, IReadOnlyList<IReadOnlyList<double>> design, IReadOnlyList<int> clusters)
    {
        ArgumentNullException.ThrowIfNull(outcomes);
        ArgumentNullException.ThrowIfNull(design);
        ArgumentNullException.ThrowIfNull(clusters);
        Guard.SameLength(outcomes.Count, design.Count, "outcomes and design");
        Guard.SameLength(outcomes.Count, clusters.Count, "outcomes and clusters");
        Guard.That(outcomes.Count > 0, "no rows");
        Guard.That(design.All(r => r.Count == design[0].Count), "rows of the design have different lengths");
        var rows = design.Select(r => (double[])[1, .. r]).ToList();
        double n = rows.Count;
        var k = rows[0].Length;
        Guard.That(n > k, $"{n} rows for {k} coefficients");
        var gram = new double[k, k];
        var product = new double[k];
        for (var r = 0; r < rows.Count; r++)
        {
            for (var i = 0; i < k; i++)
            {
                product[i] += rows[r][i] * outcomes[r];
                for (var j = 0; j < k; j++)
                    gram[i, j] += rows[r][i] * rows[r][j];
            }
        }

        var inverse = LinearSystem.Inverse(gram) ?? throw new ArgumentException("columns of the design depend on each other");
        var beta = LinearSystem.Times(inverse, product);
        var residuals = rows.Select((x, r) => outcomes[r] - x.Zip(beta, (a, b) => a * b).Sum()).ToArray();
        var scores = rows.Select((x, r) => x.Select(v => v * residuals[r]).ToArray()).ToList();
        var grouped = Enumerable
            .Range(0, rows.Count)
            .GroupBy(r => clusters[r])
            .Select(c => Enumerable.Range(0, k).Select(i => c.Sum(r => scores[r][i])).ToArray())
            .ToList();
        double sigma = residuals.Sum(e => e * e) / (n - k),
            g = grouped.Count;
        double[] Errors(double[,] covariance, double factor) => [.. LinearSystem.Diagonal(covariance).Select(v => Math.Sqrt(v * factor))];
        var clustered = LinearSystem.Sandwich(inverse, grouped);
        return new(
            beta,
            Errors(inverse, sigma),
            Errors(LinearSystem.Sandwich(inverse, scores), n / (n - k)),
            grouped.Count,
            Errors(clustered, g > 1 ? 1 : double.NaN),
            Errors(clustered, g > 1 ? g / (g - 1) * (n - 1) / (n - k) : double.NaN)
        );
    }
}

/// <summary>Small symmetric positive definite systems.</summary>
internal static class LinearSystem
{
    /// <summary>The inverse by Cholesky's method; null where the matrix is not positive definite beyond rounding.</summary>
    public static double[,]? Inverse(double[,] matrix)
    {
        var k = matrix.GetLength(0);
        var lower = new double[k, k];
        for (var i = 0; i < k; i++)
        {
            for (var j = 0; j <= i; j++)
            {
                var sum = matrix[i, j];
                for (var m = 0; m < j; m++)
                    sum -= lower[i, m] * lower[j, m];
                if (i == j)
                {
                    if (!(sum > 1e-11 * matrix[i, i]))
                        return null;
                    lower[i, i] = Math.Sqrt(sum);
                }
                else
                {
                    lower[i, j] = sum / lower[j, j];
                }
            }
        }

        var inverse = new double[k, k];
        var column = new double[k];
        for (var c = 0; c < k; c++)
        {
            for (var i = 0; i < k; i++)
            {
                column[i] = i == c ? 1 : 0;
                for (var m = 0; m < i; m++)
                    column[i] -= lower[i, m] * column[m];
                column[i] /= lower[i, i];
            }

            for (var i = k - 1; i >= 0; i--)
            {
                for (var m = i + 1; m < k; m++)
                    column[i] -= lower[m, i] * column[m];
                column[i] /= lower[i, i];
            }

            for (var i = 0; i < k; i++)
                inverse[i, c] = column[i];
        }

        return inverse;
    }

    public static double[] Times(double[,] matrix, double[] vector)
    {
        var result = new double[matrix.GetLength(0)];
        for (var i = 0; i < result.Length; i++)
            for (var j = 0; j < vector.Length; j++)
                result[i] += matrix[i, j] * vector[j];
        return result;
    }

    /// <summary>bread · (Σ s sᵀ) · bread, the sandwich of scores summed by cluster.</summary>
    public static double[,] Sandwich(double[,] bread, IEnumerable<double[]> scores)
    {
        var k = bread.GetLength(0);
        var result = new double[k, k];
        foreach (var score in scores)
        {
            var u = Times(bread, score);
            for (var i = 0; i < k; i++)
                for (var j = 0; j < k; j++)
                    result[i, j] += u[i] * u[j];
        }

        return result;
    }

    public static double[] Diagonal(double[,] matrix) => [.. Enumerable.Range(0, matrix.GetLength(0)).Select(i => matrix[i, i])];
}
