"""Names of the flags that kerasAC 2.5 and seqdataloader declare, command by command, of all versions; facts alone."""

from __future__ import annotations

_TRACKS = """
tdb_array tdb_output_datasets tdb_output_source_attribute tdb_output_min tdb_output_max tdb_output_flank
tdb_output_aggregation tdb_output_transformation tdb_transformation_pseudocount tdb_input_datasets
tdb_input_source_attribute tdb_input_min tdb_input_max tdb_input_flank tdb_input_aggregation tdb_input_transformation
tdb_partition_attribute_for_upsample tdb_partition_thresh_for_upsample tdb_partition_datasets_for_upsample
tdb_ambig_attribute upsample_threads num_inputs num_outputs datasets dataset_indices tasks
"""
_BINS = "index_data_path index_tasks input_data_path output_data_path"
_TRAINING = f"""
seed use_multiprocessing {_BINS} index_train_path index_valid_path input_train_path input_valid_path output_train_path
output_valid_path ref_fasta num_train num_valid weights init_weights w1 w0 w1_w0_file save_w1_w0 weighted json yaml
architecture_spec architecture_from_file num_tasks batch_size revcomp label_transformer squeeze_input_for_gru
expand_dims upsample_thresh_list_train upsample_ratio_list_train upsample_thresh_list_eval upsample_ratio_list_eval
epochs patience patience_lr shuffle_epoch_start shuffle_epoch_end vcf_file global_vcf threads max_queue_size num_gpus
tensorboard tensorboard_logdir trackables
"""
_MODEL = """
load_model_hdf5 weights yaml json functional squeeze_input_for_gru num_inputs num_outputs num_gpus w1 w0 w1_w0_file
"""
_SNP = "background_freqs flank mask ref_col alt_col"
_WHERE = (
    "predict_chroms genome fold ref_fasta predictions_and_labels_hdf5 calibrate_classification calibrate_regression"
)

FLAGS = {
    "kerasAC_train": f"""
        model_prefix {_TRAINING} {_TRACKS} hdf5_tasks train_chroms validation_chroms genome fold bed_regions
        bed_regions_train bed_regions_validate bed_regions_center bed_regions_jitter load_model_hdf5 model_params
        chrom_sizes tdb_outputs tdb_inputs tdb_indexer
    """,
    "kerasAC_predict_tdb": f"""
        {_TRACKS} {_MODEL} {_SNP} {_WHERE} upsample_ratio_list_predict chrom_sizes tiledb_stride revcomp bed_regions
        bed_regions_center batch_size
    """,
    "kerasAC_predict_hdf5": f"""
        {_BINS} {_MODEL} {_SNP} {_WHERE} variant_bed center_on_summit tasks expand_dims threads max_queue_size
        batch_size
    """,
    "kerasAC_cross_validate": f"""
        model_prefix assembly splits multi_gpu variant_bed {_TRAINING} {_SNP} tdb_outputs tdb_output_source_attribute
        tdb_output_flank tdb_output_aggregation tdb_output_transformation tdb_inputs tdb_input_source_attribute
        tdb_input_flank tdb_input_aggregation tdb_input_transformation tdb_indexer tdb_partition_attribute_for_upsample
        tdb_partition_thresh_for_upsample upsample_ratio_list_predict chrom_sizes tiledb_stride center_on_summit
        predictions_and_labels_hdf5 performance_metrics_classification_file performance_metrics_regression_file
        performance_metrics_profile_file calibrate_classification calibrate_regression functional num_inputs num_outputs
        from_checkpoint_arch tasks task_indices from_checkpoint_weights data_path model_hdf5 train_upsample
        valid_upsample predict_chroms data_hammock predictions_pickle accuracy_metrics_file predictions_pickle_to_load
        interpret_chroms interpretation_outf method task_id chromsizes
    """,
    "kerasAC_loss_weights": """
        tdb_array chroms ambig_attribute upsample_attribute label_attribute num_threads task task_index upsample_thresh
        flank sample_size
    """,
    "kerasAC_score_bpnet": """
        predictions losses outf title pseudoreps flank label_min_to_score label_max_to_score num_tasks
        smooth_observed_profile smooth_predicted_profile smooth_preps labels loss_suffixes
    """,
    "kerasAC_score": """
        sample_N chunk_size labels_hdf5 predictions_hdf5 predictions_pickle_to_load tasks
        performance_metrics_classification_file performance_metrics_regression_file performance_metrics_profile_file
    """,
    "kerasAC_calibrate": "preacts labels model outf calibrate_regression calibrate_classification",
    "kerasAC_bigwigs_from_io": "predictions_hdf out_prefix chrom_sizes_file",
    "kerasAC_aggregate_summaries": "summary_stats_file performance_fields out",
    "db_ingest": """
        tiledb_metadata array_name overwrite chrom_sizes coord_tile_size task_tile_size attribute_config
        attribute_config_file write_chunk threads max_queue_size max_mem_g
    """,
    "genomewide_labels": """
        task_list task_list_sep outf output_type split_output_by_chrom split_output_by_task chrom_sizes chroms_to_keep
        chroms_to_exclude bin_stride left_flank right_flank bin_size task_threads chrom_threads bigwig_stats
        overlap_thresh allow_ambiguous store_positives_only store_values_above_thresh labeling_approach
        label_transformer label_transformer_pseudocount temp_dir save_label_source
    """,
    "kerasAC_bpnet_shap_wrapper": """
        ref_fasta model_hdf5 bed_regions bed_regions_center tdb_array chrom_sizes tasks batch_size
        tdb_output_source_attribute tdb_output_flank tdb_output_aggregation tdb_output_transformation
        tdb_input_source_attribute tdb_input_flank tdb_input_aggregation tdb_input_transformation out_pickle num_threads
        tdb_output_datasets tdb_input_datasets num_inputs num_outputs task_index chipseq tfchipseq json_string weights
    """,
    "kerasAC_bigwigs_from_deepshap": "path_to_pickle chromsizes output_dir",
    "kerasAC_form_modisco_inputs": """
        model_hdf5 peak_file npeaks_to_sample out_prefix ref_fasta dinuc_shuffle_input chrom_sizes flank_size batch_size
    """,
    "kerasAC_plot_interpretation": "input_bigwig chrom startpos endpos outf outf_width outf_length ref",
    "kerasAC_interpret": """
        output_npz_file generator_type interp_method threads max_queue_size load_model_hdf5 w1_w0_file w1 w0 yaml json
        architecture_from_file num_gpus weights expand_dims batch_size sequential input_bed_file ref_fasta flank
        center_on_summit center_on_bed_interval compute_gc chrom_col pos_col ref_col alt_col rsid_col target_layer
        task_index input_index_to_interpret deepshap_reference deepshap_num_refs_per_seq deeplift_reference
        deeplift_num_refs_per_seq
    """,
    "kerasAC_run_modisco": "hyp_imp imp onehot outfile cores seqlets",
    "kerasAC_trim_modisco": "modisco_hits trim_thresh trim_extend",
    "kerasAC_tomtom_scan_modisco": """
        modisco_h5py outfile meme_motif_db top_n_matches tomtom_exec trim_threshold trim_min_length q_threshold
    """,
    "kerasAC_aggregate_tomtom_motifs": "tomtom_results modisco_meme_file_dir outf",
    "kerasAC_plot_motifs": "motif_file_dir out_dir",
    "kerasAC_html_modisco": """
        motif_dir tomtom_hits_file modisco_plots_folder html_prefix_motif_ref_pngs html_prefix_modisco_pngs outf
        max_tomtom_hits
    """,
}
