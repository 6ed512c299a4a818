using System.Globalization;

namespace RlHarness.Training.Collectives;

/// <summary>The family of MPI libraries that a launcher belongs to: their handles differ.</summary>
public enum MpiFamily
{
    OpenMpi,
    Mpich,
}

/// <summary>What the environment says of the launcher that started this process as one of several.</summary>
/// <param name="Name">The launcher, for people.</param>
/// <param name="Family">Whose library speaks with this launcher; null: the launcher offers none.</param>
/// <param name="Rank">Number of this process, from 0.</param>
/// <param name="Size">How many it started.</param>
public sealed record Launcher(string Name, MpiFamily? Family, int Rank, int Size)
{
    /// <summary>The launcher of this process; null where it was started alone.</summary>
    public static Launcher? Current { get; } = Of(Environment.GetEnvironmentVariable);

    /// <summary>Whether this process prints: rank 0 alone does.</summary>
    public static bool Prints => Current is null or { Rank: 0 };

    /// <summary>Reads a launcher's variables.</summary>
    /// <returns>Null where there are none, and for a step of Slurm with one task and no MPI.</returns>
    public static Launcher? Of(Func<string, string?> variable)
    {
        ArgumentNullException.ThrowIfNull(variable);
        int? Number(string name) => int.TryParse(variable(name), NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : null;
        // Below mpirun the variables of a step of Slurm are those of mpirun's own helpers.
        var (step, task) = (Number("SLURM_STEP_NUM_TASKS"), Number("SLURM_PROCID"));
        if (Number("OMPI_COMM_WORLD_RANK") is { } rank && Number("OMPI_COMM_WORLD_SIZE") is { } size)
            return new("Open MPI's mpirun", MpiFamily.OpenMpi, rank, size);
        if (Number("PMIX_RANK") is { } pmix)
            return new(step is null ? "a PMIx launcher" : "srun --mpi=pmix", MpiFamily.OpenMpi, pmix, step ?? Number("SLURM_NTASKS") ?? 1);
        if (Number("PMI_RANK") is { } pmi)
            return new(step is null ? "MPICH's mpiexec" : "srun --mpi=pmi2", MpiFamily.Mpich, pmi, Number("PMI_SIZE") ?? step ?? 1);
        return step is > 1 ? new("srun", null, task ?? 0, step.Value) : null;
    }
}
