using RlHarness.Core.Errors;
using RlHarness.Training.Collectives;

namespace RlHarness.Training.Tests.Collectives;

/// <summary>Variables as launchers were seen to set them (cluster.md, and `env` under each).</summary>
[Trait("kind", "contract")]
public sealed class LauncherTests
{
    private static Launcher? Of(params (string Name, string Value)[] variables) =>
        Launcher.Of(name => Array.Find(variables, v => v.Name == name).Value);

    [Fact]
    public void A_process_that_was_started_alone_has_none()
    {
        Assert.Null(Of());
        // A line of a batch script, outside of srun, sees the job's tasks.
        Assert.Null(Of(("SLURM_NTASKS", "4"), ("SLURM_PROCID", "0")));
        Assert.Null(Of(("SLURM_STEP_NUM_TASKS", "1"), ("SLURM_PROCID", "0")));
    }

    [Fact]
    public void Open_MPI_s_mpirun_counts_before_the_step_of_Slurm_that_it_runs_in()
    {
        var found = Of(("OMPI_COMM_WORLD_RANK", "3"), ("OMPI_COMM_WORLD_SIZE", "8"), ("PMIX_RANK", "3"), ("SLURM_STEP_NUM_TASKS", "2"), ("SLURM_PROCID", "1"))!;
        Assert.Equal((MpiFamily.OpenMpi, 3, 8), (found.Family, found.Rank, found.Size));
    }

    [Fact]
    public void Srun_with_PMIx_speaks_with_Open_MPI_and_with_PMI_2_with_MPICH()
    {
        var pmix = Of(("PMIX_RANK", "1"), ("SLURM_STEP_NUM_TASKS", "4"), ("SLURM_PROCID", "1"))!;
        Assert.Equal((MpiFamily.OpenMpi, 1, 4, "srun --mpi=pmix"), (pmix.Family, pmix.Rank, pmix.Size, pmix.Name));
        var pmi = Of(("PMI_RANK", "2"), ("PMI_SIZE", "4"), ("SLURM_STEP_NUM_TASKS", "4"))!;
        Assert.Equal((MpiFamily.Mpich, 2, 4, "srun --mpi=pmi2"), (pmi.Family, pmi.Rank, pmi.Size, pmi.Name));
        var hydra = Of(("PMI_RANK", "0"), ("PMI_SIZE", "2"), ("MPI_LOCALNRANKS", "2"))!;
        Assert.Equal((MpiFamily.Mpich, 0, 2, "MPICH's mpiexec"), (hydra.Family, hydra.Rank, hydra.Size, hydra.Name));
    }

    [Fact]
    public void A_step_of_several_tasks_without_MPI_is_refused_and_says_how_to_ask_for_it()
    {
        var found = Of(("SLURM_STEP_NUM_TASKS", "4"), ("SLURM_PROCID", "2"))!;
        Assert.Equal((null, 2, 4), (found.Family, found.Rank, found.Size));
        var error = Assert.Throws<HarnessException>(() => Mpi.Open(found));
        Assert.Equal(ErrorKind.BadInput, error.Kind);
        Assert.Contains("--mpi=pmix", error.Message, StringComparison.Ordinal);
    }
}
