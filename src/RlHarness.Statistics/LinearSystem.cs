namespace RlHarness.Statistics;

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
